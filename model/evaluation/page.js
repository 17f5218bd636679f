// Shows the pictures behind a cell. The address names the cell, so that links to it and the back
// button work.
"use strict";

const data = JSON.parse(document.querySelector("#data").textContent);
const cells = new Map(data.cells.map((cell) => [keyOf(cell.true, cell.predicted), cell]));
const viewer = document.querySelector("#pictures");
const heading = document.querySelector("#pictures-heading");
const status = document.querySelector("#status");
const list = document.querySelector("#list");
const close = viewer.querySelector(".close");
const start = {
  title: document.title,
  heading: heading.textContent,
  status: "Choose a number to see the pictures behind it, the most confident first.",
};
// Key of the cell that is shown; null where none is, undefined at first.
let shown;
let opener = null;

function keyOf(truth, predicted) {
  return `${truth},${predicted}`;
}

function addressOf(truth, predicted) {
  return "#" + new URLSearchParams({ true: data.names[truth], predicted: data.names[predicted] });
}

function readAddress() {
  const names = new URLSearchParams(location.hash.slice(1));
  const indices = ["true", "predicted"].map((role) => data.names.indexOf(names.get(role)));
  return indices.includes(-1) ? null : indices;
}

function showAddress() {
  const chosen = readAddress();
  const key = chosen && keyOf(...chosen);
  if (key === shown) return;
  shown = key;
  for (const button of document.querySelectorAll("button[data-true]")) {
    const isShown = keyOf(button.dataset.true, button.dataset.predicted) === key;
    if (isShown) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  close.hidden = !chosen;
  viewer.scrollTop = 0;
  if (chosen) showCell(...chosen);
  else showNothing();
}

function showNothing() {
  document.title = start.title;
  heading.textContent = start.heading;
  status.textContent = start.status;
  list.replaceChildren();
}

function showCell(truth, predicted) {
  const [trueName, predictedName] = [data.names[truth], data.names[predicted]];
  const pair = [isolate(trueName), " → ", isolate(predictedName)];
  document.title = `${trueName} → ${predictedName} – ${start.title}`;
  heading.replaceChildren(...pair);
  const cell = cells.get(keyOf(truth, predicted));
  status.textContent = describe(cell, trueName, predictedName);
  list.replaceChildren(...(cell ? cell.pictures.map((picture) => draw(picture, pair)) : []));
}

function describe(cell, trueName, predictedName) {
  const what = `of ${trueName} predicted as ${predictedName}`;
  const rest = "predictions.csv lists every image.";
  if (!cell && data.complete) return `No picture ${what}.`;
  if (!cell) return `This page has no pictures ${what}; ${rest}`;
  const [count, here] = [cell.count, cell.pictures.length];
  const all = count === 1 ? `1 picture ${what}` : `${count.toLocaleString("en")} pictures ${what}`;
  if (here === count) return count === 1 ? `${all}.` : `${all}, the most confident first.`;
  if (here === 0) return `${all}; this page has no room for them. ${rest}`;
  return `${all}: showing ${here} of ${count.toLocaleString("en")}, the most confident first.`;
}

function draw([name, confidence, encoded], pair) {
  const image = new Image();
  image.src = `data:image/avif;base64,${encoded}`;
  image.alt = "";
  image.decoding = "async";
  const item = document.createElement("li");
  // Rounding would give 100.0 %, a certainty that the model does not have.
  const percentage = confidence > 0.999 ? "> 99.9 %" : `${(100 * confidence).toFixed(1)} %`;
  item.append(
    image,
    line("file", isolatePath(name)),
    line("pair", ...pair.map((part) => part.cloneNode?.(true) ?? part)),
    line("confidence", percentage),
  );
  return item;
}

function line(name, ...content) {
  const element = document.createElement("span");
  element.className = name;
  element.append(...content);
  return element;
}

// Names come from folders: they are text, never markup, and may be written in either direction.
function isolate(name) {
  const element = document.createElement("bdi");
  element.textContent = name;
  return element;
}

// Lets a long path break between its folders.
function isolatePath(path) {
  const element = document.createElement("bdi");
  path.split(/(?<=\/)/).forEach((part) => element.append(part, document.createElement("wbr")));
  return element;
}

function reveal() {
  const { top } = viewer.getBoundingClientRect();
  if (top < 0 || top > innerHeight * 0.6) viewer.scrollIntoView({ block: "start" });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-true]");
  if (!button) return;
  opener = button;
  location.hash = addressOf(button.dataset.true, button.dataset.predicted);
  showAddress();
  reveal();
});

// Following the link would change the address, and so forget the cell.
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  viewer.focus();
});

close.addEventListener("click", () => {
  // The browser goes to the target of the link first.
  setTimeout(() => opener?.focus());
});

document.querySelector(".matrix tbody")?.addEventListener("keydown", (event) => {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  if (!(event.key in step) || event.altKey || event.ctrlKey || event.metaKey) return;
  const cell = event.target.closest("td");
  const [down, right] = step[event.key];
  const row = down < 0 ? cell.parentElement.previousElementSibling
    : down > 0 ? cell.parentElement.nextElementSibling : cell.parentElement;
  // The first cell of a row is the name of its class, which has no button.
  const next = row?.cells[cell.cellIndex + right]?.querySelector("button");
  event.preventDefault();
  next?.focus();
});

window.addEventListener("hashchange", showAddress);
showAddress();
if (shown) reveal();
