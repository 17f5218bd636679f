// The answers of a batch as a file: as CSV for spreadsheets, as JSON for programs.

import { answersOf, isAnswer, isWaiting, nameOf, summarize } from "../cards.js";
import { correctionOf } from "./corrections.js";

// Mark by which spreadsheets know that a file is in UTF-8.
const BYTE_ORDER_MARK = "\ufeff";
// What a text begins with that a spreadsheet would take for a formula, see OWASP's "CSV Injection".
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;
const SHOWN_MILLISECONDS = 60_000;

// Downloads what the cards say, in `format`: "csv" or "json".
export function downloadAnswers(cards, format) {
  const answers = cards.filter((card) => !isWaiting(card)).flatMap(read);
  const text = format === "csv" ? toCsv(answers) : toJson(answers);
  const type = format === "csv" ? "text/csv" : "application/json";
  save(new Blob([text], { type }), `answers.${format}`);
}

// Gives the user a file.
export function save(blob, name) {
  const link = document.createElement("a");
  Object.assign(link, { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), SHOWN_MILLISECONDS);
}

// Returns each answer of a card as the REST interface gives it, or its error, with what the user
// knows: the name of the file, and what it really shows.
function read(card) {
  const known = { filename: nameOf(card), correction: correctionOf(card) };
  if (isAnswer(card)) return answersOf(card).map((answer) => ({ ...answer, ...known }));
  const { message } = summarize(card);
  return [{ type: card.querySelector(".actions code").textContent, message, ...known }];
}

function toJson(answers) {
  return JSON.stringify({ predictions: answers }, null, 2);
}

// Returns a table as RFC 4180 describes it.
function toCsv(answers) {
  const names = answers.flatMap(({ probabilities = {} }) => Object.keys(probabilities));
  const classes = [...new Set(names)].sort();
  const head = ["filename", "label", "confidence", ...classes, "version", "correction", "error"];
  const rows = answers.map(({
    filename, label, confidence, probabilities, model, correction, type,
  }) => [
    filename, label, confidence, ...classes.map((name) => probabilities?.[name]), model?.version,
    correction, type,
  ]);
  const lines = [head, ...rows].map((row) => `${row.map(toCell).join(",")}\r\n`);
  return BYTE_ORDER_MARK + lines.join("");
}

function toCell(value = "") {
  if (typeof value === "number") return String(value);
  return `"${(FORMULA.test(value) ? `'${value}` : value).replaceAll('"', '""')}"`;
}
