'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const key = `spinalprep:${data.dataset}`;
const byId = (id) => document.getElementById(id);
let memory = {};
try { memory = JSON.parse(localStorage.getItem(key)) || {}; } catch { memory = {}; }
const keep = () => {
  try { localStorage.setItem(key, JSON.stringify(memory)); } catch { /* private window */ }
};
let order = { column: 'label', up: true };

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const drawn = (tag, attributes) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const number = (value) => (value === null || value === undefined ? '' : String(Number(value.toPrecision(4))));

const spreads = {};
for (const column of data.columns) {
  const values = data.rows.map((row) => row.numbers[column.name])
    .filter((value) => typeof value === 'number').sort((a, b) => a - b);
  const at = (share) => values[Math.round(share * (values.length - 1))];
  spreads[column.name] = values.length
    ? { low: values[0], high: values[values.length - 1], q1: at(0.25), q3: at(0.75), count: values.length }
    : null;
}
// far from the middle half of the dataset; among few subjects nothing is odd
const isOdd = (spread, value) => {
  const reach = 3 * (spread.q3 - spread.q1);
  return spread.count >= 8 && (value < spread.q1 - reach || value > spread.q3 + reach);
};

const strip = (column, value) => {
  const spread = spreads[column];
  if (!spread || typeof value !== 'number') return '';
  const odd = isOdd(spread, value);
  const span = spread.high - spread.low || 1;
  const x = (v) => 3 + 64 * (v - spread.low) / span;
  const svg = drawn('svg', {
    class: odd ? 'strip odd' : 'strip', width: 70, height: 12, role: 'img',
    'aria-label': odd ? 'far from the others' : 'within the dataset',
  });
  svg.append(
    drawn('rect', { class: 'band', x: 3, y: 5, width: 64, height: 2 }),
    drawn('rect', { class: 'band', x: x(spread.q1), y: 2, width: Math.max(x(spread.q3) - x(spread.q1), 1), height: 8 }),
    drawn('line', { class: 'own', x1: x(value), x2: x(value), y1: 0, y2: 12 }),
  );
  return svg;
};

const columns = () => data.columns.filter((column) => byId('columns').value === 'all' || column.main);

const header = () => {
  const row = make('tr');
  const add = (name, text, title, sortable = true) => {
    const cell = make('th', { scope: 'col', title: title || '' });
    if (sortable) {
      const button = make('button', { type: 'button', class: 'sort', 'data-column': name }, text);
      button.addEventListener('click', () => {
        order = { column: name, up: order.column === name ? !order.up : true };
        render();
        document.querySelector(`button.sort[data-column="${name}"]`).focus();
      });
      cell.append(button);
      if (order.column === name) {
        cell.setAttribute('aria-sort', order.up ? 'ascending' : 'descending');
        button.append(order.up ? ' ▲' : ' ▼');
      }
    } else cell.append(text);
    row.append(cell);
  };
  add('label', 'subject');
  add('verdict', 'verdict');
  add('reasons', 'reasons', '', false);
  add('review', 'review', '', false);
  add('figures', 'figures', '', false);
  for (const column of columns()) {
    add(column.name, column.name.replaceAll('_', ' '), `${column.doc} ${column.unit}`);
  }
  document.querySelector('#subjects thead').replaceChildren(row);
};

const review = (row) => {
  const cell = make('td', { class: 'review' });
  const own = () => memory[row.label] || {};
  const buttons = ['accept', 'reject'].map((decision) => {
    const button = make('button', { type: 'button', 'aria-label': `${decision} ${row.label}` }, decision);
    button.addEventListener('click', () => {
      memory[row.label] = { ...own(), decision: own().decision === decision ? '' : decision };
      keep();
      paint();
    });
    return button;
  });
  const paint = () => buttons.forEach((button) => button.setAttribute(
    'aria-pressed', String(own().decision === button.textContent)));
  const note = make('input', { type: 'text', placeholder: 'note', 'aria-label': `note on ${row.label}` });
  note.value = own().note || '';
  note.addEventListener('input', () => { memory[row.label] = { ...own(), note: note.value }; keep(); });
  cell.append(...buttons, note);
  paint();
  return cell;
};

const line = (row) => {
  const element = make('tr', { 'data-label': row.label });
  element.append(
    make('th', { scope: 'row' }, make('a', { href: row.page }, row.label)),
    make('td', {}, make('span', { class: `badge ${row.grade}` }, row.grade)),
    make('td', {}, row.reasons.join('; ')),
    review(row),
  );
  const figures = make('td', { class: 'figures' });
  for (const figure of row.figures) {
    const link = make('a', { href: `${row.page}#${figure.name}` });
    link.append(make('img', { class: 'thumb', src: figure.path, loading: 'lazy', alt: `${figure.title} of ${row.label}` }));
    figures.append(link);
  }
  element.append(figures);
  for (const column of columns()) {
    const value = row.numbers[column.name];
    element.append(make('td', { class: 'number' }, number(value), make('br'), strip(column.name, value)));
  }
  return element;
};

const wanted = (row) => {
  const text = byId('text').value.trim().toLowerCase();
  const verdict = byId('verdict').value;
  const decision = byId('decision').value;
  const own = (memory[row.label] || {}).decision || 'open';
  return (!text || `${row.label} ${row.reasons.join(' ')}`.toLowerCase().includes(text))
    && (!verdict || row.grade === verdict) && (!decision || own === decision);
};

const rank = { FAIL: 0, failed: 1, rejected: 2, WARN: 3, PASS: 4 };
const place = (row) => {
  if (order.column === 'label') return row.label;
  if (order.column === 'verdict') return rank[row.grade];
  return row.numbers[order.column];
};
const compare = (a, b) => {
  const [one, other] = [place(a), place(b)];
  const missing = [one, other].map((value) => value === null || value === undefined);
  if (missing[0] || missing[1]) return missing[0] - missing[1];
  const sign = order.up ? 1 : -1;
  return sign * (typeof one === 'string' ? one.localeCompare(other, 'en', { numeric: true }) : one - other);
};

const render = () => {
  header();
  const rows = data.rows.filter(wanted).sort(compare);
  document.querySelector('#subjects tbody').replaceChildren(...rows.map(line));
  byId('shown').textContent = `${rows.length} of ${data.rows.length} shown`;
};

byId('export').addEventListener('click', () => {
  const clean = (text) => String(text || '').replace(/[\t\r\n]+/g, ' ').trim() || 'n/a';
  const lines = ['participant_id\tsession_id\tdecision\tnote'];
  for (const row of data.rows) {
    const own = memory[row.label] || {};
    if (own.decision || own.note) {
      lines.push([row.participant, row.session || 'n/a', clean(own.decision), clean(own.note)].join('\t'));
    }
  }
  const link = make('a', {
    download: `${data.dataset}_reviews.tsv`,
    href: URL.createObjectURL(new Blob([`${lines.join('\n')}\n`], { type: 'text/tab-separated-values' })),
  });
  link.click();
  URL.revokeObjectURL(link.href);
});
byId('filters').addEventListener('submit', (event) => event.preventDefault());
byId('text').addEventListener('input', render);
for (const id of ['verdict', 'decision', 'columns']) byId(id).addEventListener('change', render);
render();
