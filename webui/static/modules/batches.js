// Batches of pictures that were chosen together: all are sent, and each gets a card.

import {
  addDescription, createErrorCard, createParagraph, createWaitingCard, isAnswer, isWaiting, nameOf,
  replaceCard, showPreview, showState, summarize,
} from "./cards.js";
import { createPreview, inspect, scaleDown } from "./scaling.js";
import { TOO_MANY_REQUESTS, isReadable, send } from "./sending.js";
import { findPicture, keepPicture, originals, peekPicture } from "./storage.js";
import { announce, say } from "./words.js";

// Number of pictures that are on their way at a time, so that TorchServe's workers always find the
// next one waiting.
const SENT_AT_ONCE = 4;
const FIRST_SERVER_ERROR = 500;

const form = document.querySelector("#picture-form");
const maxBytes = Number(form.dataset.maxBytes);
const mostFiles = Number(form.dataset.mostFiles);

// What ends the sending of a waiting card's picture.
const cancellations = new WeakMap();

// Shows a waiting card for each file in `element`, the batch called `id`.
export function addCards(files, element, id) {
  const version = new URL(form.action).searchParams.get("version");
  const cards = files.slice(0, mostFiles).map((file, index) => {
    const card = createWaitingCard(file.name, `${id}/${index}`);
    const picture = { file, version };
    keepPicture(card.dataset.picture, picture);
    showPicture(card, picture);
    return card;
  });
  if (files.length > mostFiles) element.append(createParagraph("card note", say("tooMany")));
  if (files.length === 0) cards.push(createErrorCard("NoFileError"));
  element.append(...cards);
  if (files.length === 0) settle(cards[0]);
}

// Says whether a card waits for its answer, or is in another language than the page.
export const isOpen = (card) => isWaiting(card) || card.lang !== document.documentElement.lang;

// Sends the picture of each open card in `element`. A card that gets its answer or error dispatches
// "settled"; the promise resolves when all have.
export async function goOn(element) {
  const open = [...element.querySelectorAll(".answer")].filter(isOpen);
  const work = async () => {
    while (open.length > 0) await finish(open.shift());
  };
  await Promise.all(Array.from({ length: SENT_AT_ONCE }, work));
}

// Sends the picture of a card with an error once more.
export function tryAgain(card) {
  const waitingCard = createWaitingCard(nameOf(card), card.dataset.picture);
  replaceCard(card, waitingCard);
  finish(waitingCard);
}

// Removes a waiting card, so that its picture is not sent.
export function cancel(card) {
  const element = card.parentElement;
  cancellations.get(card)?.abort();
  card.remove();
  announce(say("cancelled", { name: nameOf(card) }));
  element.dispatchEvent(new CustomEvent("settled"));
}

// Returns the HTML of every card in `element`, each with a small version of its picture.
export function copyCards(element) {
  return [...element.querySelectorAll(".answer")].map((card) => {
    const copy = card.cloneNode(true);
    copy.hidden = false;
    copy.querySelector(".correction")?.remove();
    const image = copy.querySelector("[data-preview] img[src^='blob:']");
    const preview = peekPicture(card.dataset.picture)?.preview;
    if (image && preview) image.src = preview;
    else image?.remove();
    for (const element of copy.querySelectorAll("[data-unkept]")) element.remove();
    return copy.outerHTML;
  });
}

async function showPicture(card, picture) {
  const image = showPreview(card, URL.createObjectURL(picture.file), picture.file.name);
  if (!(await inspect(picture.file)).mayMove) return;
  // The model sees the first frame.
  picture.preview = await createPreview(picture.file);
  if (picture.preview) image.src = picture.preview;
}

async function finish(card) {
  if (!card.parentElement) return; // It was cancelled.
  const sending = new AbortController();
  cancellations.set(card, sending);
  const picture = await findPicture(card.dataset.picture);
  if (picture && !card.querySelector("[data-preview] :is(img, .placeholder)")) {
    showPicture(card, picture);
  }
  const { signal } = sending;
  const settled = picture ? await ask(picture, card, signal) : createErrorCard("NoFileError");
  // A card in another language is better than one that only says that there is no answer now.
  const isWorse = !isAnswer(settled)
    && (isAnswer(card) || !picture || !settled.querySelector("[data-retry]").hidden);
  if (!card.parentElement || (!isWaiting(card) && isWorse)) return;
  const name = nameOf(card);
  replaceCard(card, settled);
  settle(settled, name, isWaiting(card));
}

// Returns the card that takes the place of `card`.
async function ask(picture, card, signal) {
  if (!(await isReadable(picture.file))) return createErrorCard("NoFileError");
  const { name } = picture.file;
  const scaled = picture.original ? null : await scaleDown(picture.file);
  if (scaled) {
    originals.set(card.dataset.picture, picture.file);
    Object.assign(picture, { file: new File([scaled.blob], name), original: scaled.original });
    keepPicture(card.dataset.picture, picture);
  }
  const { file, original, version } = picture;
  if (file.size === 0) return createErrorCard("EmptyFileError");
  if (file.size > maxBytes) return createErrorCard("UploadTooLargeError");
  const report = (state) => showReport(card, name, state);
  const [answer, preview] = await Promise.all([
    send(file, { name, version, signal, report }),
    picture.preview ?? createPreview(file),
  ]);
  picture.preview = preview;
  if (!answer && !(await isReadable(file))) return createErrorCard("NoFileError");
  const settled = answer?.card ?? createErrorCard("NoAnswerError");
  if (original) addDescription(settled, say("scaled", { size: original }));
  const mayPass = answer?.status >= FIRST_SERVER_ERROR || answer?.status === TOO_MANY_REQUESTS;
  if (!answer?.card || mayPass) settled.querySelector("[data-retry]").hidden = false;
  return settled;
}

function showReport(card, name, state) {
  if (!isWaiting(card)) return;
  const isNew = summarize(card).heading !== state.heading;
  showState(card, state);
  if (isNew && state.message) announce(say("announcedError", { name, ...state }));
}

function settle(card, name, isNew = true) {
  const summary = summarize(card);
  const key = summary.label ? "announcement" : "announcedError";
  if (isNew) announce(name ? say(key, { name, ...summary }) : Object.values(summary).join(". "));
  card.dispatchEvent(new CustomEvent("settled", { bubbles: true }));
}
