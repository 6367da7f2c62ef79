// A listbox of any length that keeps only the rows in sight as elements, newest first.

const ROW = 34; // px, as in style.css
const SPARE = 6; // rows beyond both edges
let lists = 0;

export class VirtualList {
  /** `at(index)` is the item in place index, 0 on top. `fill(row, item)` writes an item into a row's cells. */
  constructor(box, { label, grid, cells, at, fill, chosen, empty }) {
    Object.assign(this, { box, grid, cells, at, fill, chosen, empty });
    this.name = `list${lists++}`;
    this.count = 0;
    this.selected = null; // an item, not a place: places move when something arrives
    this.place = -1; // of the selected item, as far as it is known
    this.rows = [];
    box.setAttribute("role", "listbox");
    box.setAttribute("aria-label", label);
    box.tabIndex = 0;
    this.spacer = document.createElement("div");
    this.spacer.className = "spacer";
    this.note = document.createElement("div");
    this.note.className = "none";
    box.append(this.note, this.spacer);
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("mousedown", (event) => {
      const row = event.target.closest(".row");
      if (row) this.select(row.place);
    });
    new ResizeObserver(() => this.draw()).observe(box);
  }

  /** There are `count` items now, of which `added` are new on top. What is being read stays where it is. */
  update(count, added = 0) {
    const read = this.box.scrollTop > ROW / 2;
    this.count = count;
    this.spacer.style.height = `${count * ROW}px`;
    if (added > 0 && this.place >= 0) this.place += added;
    if (added > 0 && read) this.box.scrollTop += added * ROW;
    this.note.hidden = count > 0;
    if (count === 0) this.note.replaceChildren(...[this.empty()].flat());
    this.draw(true);
  }

  draw(anew = false) {
    const top = this.box.scrollTop;
    const first = Math.max(0, Math.floor(top / ROW) - SPARE);
    const last = Math.min(this.count, Math.ceil((top + this.box.clientHeight) / ROW) + SPARE);
    while (this.rows.length < last - first) this.rows.push(this.makeRow());
    let active = "";
    for (let n = 0; n < this.rows.length; n++) {
      // Row elements go round, so that scrolling by one row rewrites one row.
      const row = this.rows[n];
      const place = first + ((n - (first % this.rows.length) + this.rows.length) % this.rows.length);
      const shown = place < last;
      if (row.hidden === shown) row.hidden = !shown;
      if (!shown) continue;
      const item = this.at(place);
      if (row.place !== place) {
        row.place = place;
        row.style.transform = `translateY(${place * ROW}px)`;
        row.setAttribute("aria-posinset", place + 1);
      }
      if (anew) row.setAttribute("aria-setsize", this.count);
      if (row.item !== item || anew) {
        row.item = item;
        this.fill(row.cells, item);
      }
      const selected = item === this.selected;
      if (selected) active = row.id;
      if (row.selected !== selected) {
        row.selected = selected;
        row.setAttribute("aria-selected", selected);
      }
    }
    if (active) this.box.setAttribute("aria-activedescendant", active);
    else this.box.removeAttribute("aria-activedescendant");
  }

  makeRow() {
    const row = document.createElement("div");
    row.className = `row ${this.grid}`;
    row.id = `${this.name}-row${this.rows.length}`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", "false");
    row.cells = this.cells.map((name) => {
      const cell = document.createElement("span");
      cell.className = name;
      row.append(cell);
      return cell;
    });
    this.spacer.append(row);
    return row;
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 1);
    const at = this.placeOfSelected();
    const target = {
      ArrowDown: at + 1, ArrowUp: Math.max(0, at - 1), PageDown: at + page, PageUp: at - page, Home: 0, End: this.count - 1,
    }[event.key];
    if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) {
      if (event.key === "Enter" && this.selected) this.box.closest(".split").querySelector(".detail").focus();
      return;
    }
    event.preventDefault();
    this.select(Math.min(Math.max(target, 0), this.count - 1));
  }

  /** The selected item's place: remembered, and looked for when a filter changed the places. */
  placeOfSelected() {
    if (!this.selected) return -1;
    if (this.place >= 0 && this.place < this.count && this.at(this.place) === this.selected) return this.place;
    this.place = -1;
    for (let n = 0; n < this.count; n++) if (this.at(n) === this.selected) return (this.place = n);
    return -1;
  }

  select(place) {
    if (place < 0 || place >= this.count) return;
    this.choose(this.at(place), place);
    const top = place * ROW;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + ROW > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + ROW - this.box.clientHeight;
  }

  choose(item, place = -1) {
    this.selected = item;
    this.place = place;
    this.draw();
    this.chosen(item);
  }

  forget() {
    this.selected = null;
    this.place = -1;
    this.box.scrollTop = 0;
  }
}
