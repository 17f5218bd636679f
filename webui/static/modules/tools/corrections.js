// Corrections: what pictures really show. This browser keeps them with the pictures, and nobody
// else, until they are discarded.

import { answersOf, clone, nameOf } from "../cards.js";
import { isReadable } from "../sending.js";
import { createDatabase, findPicture, originals } from "../storage.js";
import { announce, say } from "../words.js";

const LONGEST_NAME = 70;

const answers = document.querySelector("#answers");
const section = document.querySelector("#corrections");
const discarded = document.querySelector("#discarded");
const withCorrections = createDatabase("corrections");
// Each correction, `{ key, label, file, isScaled }`, by the key of its card; where the browser keeps
// nothing, they last as long as the page.
const corrections = new Map();

answers.addEventListener("change", ({ target }) => {
  if (target.closest(".correction")) correct(target.closest(".answer"), target.value);
});
answers.addEventListener("click", ({ target }) => {
  const field = target.closest(".correction button")?.parentElement;
  if (!field) return;
  correct(field.closest(".answer"), "");
  field.querySelector("select").focus();
});
section.querySelector("#download-corrections").addEventListener("click", download);
section.querySelector("#discard-corrections").addEventListener("click", () => {
  const old = [...corrections.values()];
  const undo = discarded.querySelector("button");
  undo.onclick = () => {
    for (const correction of old) keep(correction);
    showCorrections();
    section.focus();
  };
  for (const { key } of old) forget(key);
  showCorrections();
  discarded.hidden = false;
  undo.focus();
  announce(say("discarded"));
});

// Takes over what the browser has kept, also for other tabs.
export async function loadCorrections() {
  const kept = await withCorrections("readonly", (store) => store.getAll());
  for (const correction of kept ?? []) corrections.set(correction.key, correction);
}

// Returns what the picture of a card really shows, if somebody said so.
export const correctionOf = (card) => corrections.get(card.dataset.picture)?.label;

// Shows in each card, and below them, what was corrected.
export function showCorrections() {
  for (const card of answers.querySelectorAll(".answer")) if (card.dataset.answer) showField(card);
  const words = say("downloadCorrected", { count: corrections.size });
  section.querySelector("#download-corrections").textContent = words;
  section.hidden = corrections.size === 0;
  if (corrections.size > 0) discarded.hidden = true;
}

function showField(card) {
  if (!card.querySelector(".correction")) card.querySelector(".verdict").append(createField(card));
  const label = correctionOf(card) ?? "";
  card.querySelector(".correction select").value = label;
  card.querySelector(".correction button").hidden = label === "";
}

function createField(card) {
  const field = clone("correction");
  const classes = answersOf(card).flatMap(({ probabilities }) => Object.keys(probabilities));
  const options = [...new Set(classes)].sort().map((name) => new Option(name));
  field.querySelector("select").append(...options);
  return field;
}

// Keeps the picture of a card as one of the class `label`; of none if that is empty.
async function correct(card, label) {
  const key = card.dataset.picture;
  const picture = await findPicture(key);
  if (label && picture) keep({ key, label, file: picture.file, isScaled: "original" in picture });
  else forget(key);
  showCorrections();
  const words = label ? "corrected" : "correctionUndone";
  announce(picture ? say(words, { name: nameOf(card), label }) : say("gone"));
}

function keep(correction) {
  corrections.set(correction.key, correction);
  withCorrections("readwrite", (store) => store.put(correction, correction.key));
}

function forget(key) {
  corrections.delete(key);
  withCorrections("readwrite", (store) => store.delete(key));
}

async function download() {
  const [{ createZip }, { save }] = await Promise.all([
    import("./zip.js"), import("./exports.js"), loadCorrections(),
  ]);
  const entries = await Promise.all([...corrections.values()].map(createEntry));
  save(await createZip(entries), "corrected-pictures.zip");
}

// Returns `{ path, file }`: the file that was chosen, if it is still at hand.
async function createEntry({ key, label, file, isScaled }) {
  const original = originals.get(key);
  const isOriginal = original && await isReadable(original);
  const name = isScaled && !isOriginal ? `${file.name.replace(/\.\w+$/, "")}.jpg` : file.name;
  // All systems take these names, and pictures that are downloaded another day have others.
  const folder = label.replace(/^\.|[\\/\p{Cc}]/gu, "_");
  const prefix = key.replace("answers-", "").replace("/", "-");
  const safe = name.replace(/[\\/:*?"<>|\p{C}]/gu, "_").slice(-LONGEST_NAME);
  return { path: `${folder}/${prefix}-${safe}`, file: isOriginal ? original : file };
}
