// Why this answer: a map of what counts for a class, over the picture in its card. It is loaded when
// somebody asks for the first one.

import { parse } from "../cards.js";
import { isReadable } from "../sending.js";
import { findPicture } from "../storage.js";
import { fill, say } from "../words.js";
import { loadStyles } from "./main.js";

// Viridis, from Matplotlib: perceptually uniform, for the colour-blind, too, and in shades of grey.
const COLOURS = [
  [68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140], [40, 174, 128],
  [94, 201, 98], [173, 220, 48], [253, 231, 37],
];
// Longest side, in pixels, of a map, which is so smooth that the browser may enlarge it.
const LONGEST_SIDE = 240;
// Mean heat, as a part of the greatest, above which it is everywhere.
const EVEN = 0.5;

const form = document.querySelector("#picture-form");
const styles = loadStyles("explanation");
let empty = null;
let words = null;

// Opens the explanation that a button of a card asks for, or closes it. Rejects if the server does
// not answer.
export async function explain(card, button) {
  const open = card.querySelector(".explanation");
  open?.querySelector("button").click();
  if (open?.getAttribute("aria-label") === button.title) return;
  const address = new URL(form.action);
  address.pathname = address.pathname.replace(/predict$/, "explain");
  address.searchParams.set("version", button.dataset.why);
  empty ??= parse(await (await fetch(address)).text(), ".explanation");
  words = JSON.parse(empty.dataset.words);
  await styles;
  const panel = empty.cloneNode(true);
  const map = document.createElement("canvas");
  map.className = "heat";
  map.setAttribute("aria-hidden", "true");
  map.dataset.unkept = "";
  const [state, method] = panel.querySelectorAll("[role=status], .small");
  panel.querySelector(".eyebrow").textContent = button.title;
  panel.setAttribute("aria-label", button.title);
  panel.querySelector("button").addEventListener("click", () => {
    panel.remove();
    map.remove();
    button.focus();
  });
  card.querySelector(".pictures").append(panel);
  panel.focus({ preventScroll: true });
  state.textContent = words.busy;
  const answer = await ask(card.dataset.picture, address);
  if (answer.message) {
    state.textContent = answer.message;
    return;
  }
  method.textContent = fill(words.coarse, answer.explanation);
  await show(panel, card, map, answer);
}

// Returns the server's answer, or `{ message }`.
async function ask(key, address) {
  const picture = await findPicture(key);
  if (!picture || !(await isReadable(picture.file))) return { message: words.gone };
  const body = new FormData();
  body.append(form.querySelector("input[type=file]").name, picture.file, picture.file.name);
  try {
    return await (await fetch(address, { method: "POST", body })).json();
  } catch {
    return { message: say("unreachable") };
  }
}

// Shows the map of a class, which the panel lets people choose, over the picture of the card.
async function show(panel, card, map, { label, probabilities, explanation }) {
  const image = card.querySelector("[data-preview] img") ?? card.querySelector(".pixels");
  await image.decode();
  if (!panel.isConnected) return; // It was closed.
  const scale = Math.min(1, LONGEST_SIDE / Math.max(image.naturalWidth, image.naturalHeight));
  map.width = Math.max(1, Math.round(image.naturalWidth * scale));
  map.height = Math.max(1, Math.round(image.naturalHeight * scale));
  image.after(map);
  const [select, opacity] = panel.querySelectorAll("select, input");
  select.append(...Object.keys(explanation.heat).map((name) => new Option(name, name)));
  select.value = label;
  const choose = () => {
    const heat = explanation.heat[select.value].map((row) => row.map((cell) => Math.max(0, cell)));
    const most = Math.max(...heat.flat());
    draw(map, (x, y) => interpolate(heat, x, y) / (most || 1));
    panel.querySelector("[role=status]").textContent = describe(select.value, heat, {
      whole: probabilities[select.value], lowest: explanation.lowest[select.value],
    });
  };
  const fade = () => { map.style.opacity = opacity.value / 100; };
  select.addEventListener("change", choose);
  opacity.addEventListener("input", fade);
  choose();
  fade();
  draw(panel.querySelector("canvas"), (x) => x);
  panel.querySelector("[hidden]").hidden = false;
  map.scrollIntoView({ block: "nearest" });
}

// Says in words where the heat of a class is greatest, and how much it is.
function describe(name, heat, { whole, lowest }) {
  const cells = heat.flat();
  const most = Math.max(...cells);
  if (most === 0) return fill(words.nothing, { name });
  const columns = heat[0].length;
  const [row, column] = [Math.floor(cells.indexOf(most) / columns), cells.indexOf(most) % columns];
  const third = (index, count) => Math.floor(3 * (index + 0.5) / count);
  const ninth = 3 * third(row, heat.length) + third(column, columns);
  const mean = cells.reduce((sum, cell) => sum + cell, 0) / cells.length;
  const place = mean > EVEN * most ? words.everywhere : words.places[ninth];
  const values = { whole: formatPercentage(whole), lowest: formatPercentage(lowest) };
  return fill(words.found, { name, place, ...values });
}

// Returns a percentage that is told from those near it; only exactly 1 is 100.0.
function formatPercentage(probability) {
  const format = (number, options) => (
    `${number.toLocaleString(document.documentElement.lang, options)}\u00a0%`
  );
  if (probability < 0.01) return format(100 * probability, { maximumSignificantDigits: 2 });
  const tenths = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  if (probability > 0.999 && probability < 1) return `> ${format(99.9, tenths)}`;
  return format(100 * probability, tenths);
}

// Colours each pixel of a canvas by `value`, 0 to 1, at its place, `x` and `y` from 0 to 1.
function draw(canvas, value) {
  const { width, height } = canvas;
  const image = new ImageData(width, height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const colour = interpolateColour(value((x + 0.5) / width, (y + 0.5) / height));
      image.data.set([...colour, 255], 4 * (y * width + x));
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function interpolateColour(value) {
  const [low, part] = locate(value * (COLOURS.length - 1), COLOURS.length);
  const high = Math.min(low + 1, COLOURS.length - 1);
  return COLOURS[low].map((channel, index) => mix(channel, COLOURS[high][index], part));
}

// Returns the heat at a place, between the centres of the cells around it.
function interpolate(heat, x, y) {
  const [top, down] = locate(y * heat.length - 0.5, heat.length);
  const [left, across] = locate(x * heat[0].length - 0.5, heat[0].length);
  const rows = [top, Math.min(top + 1, heat.length - 1)].map((row) => (
    mix(heat[row][left], heat[row][Math.min(left + 1, heat[row].length - 1)], across)
  ));
  return mix(...rows, down);
}

// Returns the index at or before a place among so many, and how far the place is on its way to the
// next one.
function locate(place, count) {
  const inside = Math.min(Math.max(place, 0), count - 1);
  return [Math.floor(inside), inside % 1];
}

const mix = (one, other, part) => one + (other - one) * part;
