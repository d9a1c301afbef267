"use strict";
// Sorts and filters the table of students. Without it the table is whole, by student, and the controls stay hidden.
const table = document.getElementById("everybody");
const rows = Array.from(table.tBodies[0].rows);
const search = document.getElementById("search");
const only = document.getElementById("only");
const count = document.getElementById("count");
const collator = new Intl.Collator(undefined, { numeric: true });

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  rows.forEach((row) => {
    const text = row.textContent.toLowerCase();
    const fits = !only.value || row.dataset.status === only.value;
    row.hidden = !(fits && words.every((word) => text.includes(word)));
    shown += row.hidden ? 0 : 1;
  });
  count.textContent = count.dataset.text.replace("#", shown);
}

// Cells with nothing in them come last, whichever way the others go.
function sort(header, keys) {
  const way = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const isNumber = header.classList.contains("number");
  const order = rows.map((_, at) => at).sort((a, b) => {
    if (!keys[a] || !keys[b]) return (keys[a] ? 0 : 1) - (keys[b] ? 0 : 1);
    return way * (isNumber ? keys[a] - keys[b] : collator.compare(keys[a], keys[b]));
  });
  for (const one of header.parentElement.cells) one.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
  table.tBodies[0].append(...order.map((at) => rows[at]));
}

Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
  const keys = () => rows.map((row) => row.cells[column].dataset.key ?? row.cells[column].textContent.trim());
  const button = document.createElement("button");
  button.type = "button";
  button.append(...header.childNodes);
  button.addEventListener("click", () => sort(header, keys()));
  header.append(button);
});
search.addEventListener("input", filter);
only.addEventListener("change", filter);
document.getElementById("controls").hidden = false;
filter();
