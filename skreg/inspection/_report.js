"use strict";

// Sorts tables by the column whose header is pressed. A cell's data-value is what it is sorted by; cells without a
// value come last in either direction. Without this script the headers are plain text and the rows stand best first.

function compare(a, b, numeric, sign) {
  const [first, second] = [a, b].map((cell) => cell.dataset.value);
  if (first === "" || second === "") {
    return (first === "") - (second === "");
  }
  if (numeric) {
    return sign * (Number(first) - Number(second)); // NaN, for equal infinities, is a tie
  }
  return sign * first.localeCompare(second, undefined, { numeric: true });
}

function sort(table, header) {
  const column = header.cellIndex;
  const numeric = header.classList.contains("number");
  const direction = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  const sign = direction === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(a.cells[column], b.cells[column], numeric, sign)); // stable: ties keep their order
  table.tBodies[0].append(...rows);
  for (const other of table.tHead.rows[0].cells) {
    other.removeAttribute("aria-sort");
  }
  header.setAttribute("aria-sort", direction);
}

for (const table of document.querySelectorAll("table")) {
  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(table, header));
  }
}
