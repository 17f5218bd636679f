// Batches of pictures that were chosen together: all are sent, and each gets a card.

import {
  addDescription, createErrorCard, createNote, createWaitingCard, isAnswer, isWaiting, nameOf,
  parseCard, replaceCard, showPreview, showProgress, showWaiting, summarize,
} from "./cards.js";
import { mayMove } from "./formats.js";
import { findPicture, keepPicture } from "./pictures.js";
import { createPreview, scaleDown } from "./scaling.js";
import { isReadable, send } from "./sending.js";
import { announce, say } from "./words.js";

// Number of pictures that are on their way at a time, so that TorchServe's workers always find the
// next one waiting.
const SENT_AT_ONCE = 4;
const FIRST_SERVER_ERROR = 500;
const TOO_MANY_REQUESTS = 429;

const form = document.querySelector("#picture-form");
const maxBytes = Number(form.dataset.maxBytes);
const mostFiles = Number(form.dataset.mostFiles);

// The file behind each image in a card, for as long as the image exists.
const files = new WeakMap();
// The small version of each file, which is made only once.
const previews = new WeakMap();
// What ends the sending of a waiting card's picture.
const cancellations = new WeakMap();

// Shows a waiting card for each of the `chosen` files in `element`, the batch called `id`.
export function addCards(chosen, element, id) {
  const { searchParams } = new URL(form.action);
  const version = searchParams.get("version");
  const cards = chosen.slice(0, mostFiles).map((file, index) => {
    const card = createWaitingCard(file.name, `${id}/${index}`);
    showFile(card, file);
    keepPicture(card.dataset.picture, { file, version });
    return card;
  });
  if (chosen.length > mostFiles) element.append(createNote(say("tooMany")));
  if (cards.length === 0) cards.push(createErrorCard("NoFileError"));
  element.append(...cards);
  if (chosen.length === 0) settle(cards[0]);
}

// Says whether a card waits for its answer, or is in another language than the page.
export function isOpen(card) {
  return isWaiting(card) || card.lang !== document.documentElement.lang;
}

// Sends the picture of each card in `element` that is open. A card that gets its answer or error
// dispatches "settled"; the promise resolves when all have.
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
  return finish(waitingCard);
}

// Removes a waiting card; its picture is not sent.
export function cancel(card) {
  const element = card.parentElement;
  cancellations.get(card)?.abort();
  card.remove();
  announce(say("cancelled", { name: nameOf(card) }));
  element.dispatchEvent(new CustomEvent("settled"));
}

// Returns the HTML of every card in `element`; a settled one has a small version of its picture.
export async function createCopies(element) {
  const cards = [...element.querySelectorAll(".answer")];
  return Promise.all(cards.map(async (card) => {
    const copy = card.cloneNode(true);
    const image = copy.querySelector("[data-preview] img");
    const file = files.get(card.querySelector("[data-preview] img"));
    if (file) {
      const preview = isWaiting(card) ? null : await findPreview(file);
      if (preview) image.src = preview;
      else image.remove();
    }
    return copy.outerHTML;
  }));
}

function findPreview(file) {
  if (!previews.has(file)) previews.set(file, createPreview(file));
  return previews.get(file);
}

async function showFile(card, file) {
  const image = showPreview(card, URL.createObjectURL(file), file.name);
  files.set(image, file);
  // The model sees the first frame.
  const still = (await mayMove(file)) && (await findPreview(file));
  if (still) image.src = still;
}

async function finish(card) {
  if (!card.parentElement) return; // It was cancelled.
  const cancellation = new AbortController();
  cancellations.set(card, cancellation);
  const picture = await findPicture(card.dataset.picture);
  if (picture && isWaiting(card) && !card.querySelector("[data-preview] :is(img, .placeholder)")) {
    showFile(card, picture.file);
  }
  const settled = picture
    ? await ask(picture, card, cancellation.signal)
    : createErrorCard("NoFileError");
  const isWorse = !isAnswer(settled) && (isAnswer(card) || !picture || offersTry(settled));
  if (!card.parentElement || (!isWaiting(card) && isWorse)) return;
  const name = isWaiting(card) && nameOf(card);
  replaceCard(card, settled);
  settle(settled, name);
}

// Returns the card that takes the place of `card`.
async function ask(picture, card, signal) {
  if (!(await isReadable(picture.file))) return createErrorCard("NoFileError");
  const { name } = picture.file;
  const scaled = picture.original ? null : await scaleDown(picture.file);
  if (scaled) {
    picture.file = new File([scaled.blob], name);
    picture.original = scaled.original;
    keepPicture(card.dataset.picture, picture);
  }
  const { file, original, version } = picture;
  if (file.size === 0) return createErrorCard("EmptyFileError");
  if (file.size > maxBytes) return createErrorCard("UploadTooLargeError");
  const answer = await send(file, { name, version, signal, ...createReports(card, name) });
  const settled = answer && parseCard(answer.html);
  if (!settled) {
    if (!(await isReadable(file))) return createErrorCard("NoFileError");
    // No answer came, or one that is not a card, such as a proxy's.
    return withTry(createErrorCard("NoAnswerError"));
  }
  if (original) addDescription(settled, say("scaled", { size: original }));
  const mayPass = answer.status >= FIRST_SERVER_ERROR || answer.status === TOO_MANY_REQUESTS;
  return mayPass ? withTry(settled) : settled;
}

// Returns what `send` calls to say how far it is; only a waiting card shows it.
function createReports(card, name) {
  if (!isWaiting(card)) return { reportProblem() {}, reportProgress() {} };
  const tell = (show, key) => {
    const { heading } = summarize(card);
    show();
    if (summarize(card).heading !== heading) announce(say(key, { name, ...summarize(card) }));
  };
  return {
    reportProblem: (why) => tell(() => showWaiting(card, why), "announcedError"),
    reportProgress(fraction) {
      const isFirst = card.querySelector("progress").hidden && fraction < 1;
      showProgress(card, fraction);
      if (isFirst) announce(say("announcedUpload", { name }));
    },
  };
}

function withTry(card) {
  card.querySelector("[data-retry]").hidden = false;
  return card;
}

function offersTry(card) {
  return card.querySelector("[data-retry]")?.hidden === false;
}

function settle(card, name) {
  const summary = summarize(card);
  const key = summary.label ? "announcement" : "announcedError";
  if (name !== false) {
    announce(name ? say(key, { name, ...summary }) : Object.values(summary).join(". "));
  }
  card.dispatchEvent(new CustomEvent("settled", { bubbles: true }));
}
