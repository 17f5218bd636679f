// The ways into the page for pictures: the form, a drop, the clipboard, examples, and photos that are
// taken for it, with the phone's own camera app or in a dialog.

import { say } from "./words.js";

const PHOTO_QUALITY = 0.95;
const PROBLEMS = {
  NotAllowedError: "cameraRefused",
  NotFoundError: "cameraMissing",
};

const dialog = document.querySelector("#camera");
const video = dialog.querySelector("video");
const problem = dialog.querySelector("#camera-problem");
const shutter = dialog.querySelector("#shutter");
let openings = 0;

// Calls `take` with an array of files whenever some arrive.
export function listenForPictures(form, take) {
  const input = form.querySelector("input[type=file]");
  input.addEventListener("change", () => takeFrom(input, take));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    takeFrom(input, take);
  });
  document.addEventListener("paste", ({ clipboardData }) => {
    const files = [...clipboardData.files];
    if (files.length > 0) take(files);
  });
  // The input may hold files that were chosen before this module was there, or that the browser
  // restores when the back button leads here.
  addEventListener("pageshow", () => { if (input.files.length > 0) takeFrom(input, take); });
}

// Empties the input, so that the same file can be chosen again.
function takeFrom(input, take) {
  const files = [...input.files];
  input.value = "";
  take(files);
}

// Calls `take` with an array of one file whenever a photo is taken, of which the camera takes several
// if `isBurst`.
export function listenForPhotos(take, isBurst = false) {
  const capture = document.querySelector("#capture");
  capture.addEventListener("change", () => takeFrom(capture, take));
  document.addEventListener("click", ({ target }) => {
    if (!target.closest("[data-camera]")) return;
    // Browsers hide the camera from pages that come over plain HTTP from another machine.
    const isPhone = matchMedia("(pointer: coarse)").matches;
    if (isPhone || !navigator.mediaDevices) capture.click();
    else openCamera();
  });
  shutter.addEventListener("click", async () => {
    // A second click would take a second photo.
    shutter.disabled = true;
    const file = await takeFrame();
    if (isBurst) {
      shutter.disabled = false;
      shutter.focus();
    } else dialog.close();
    take([file]);
  });
  dialog.querySelector("#close-camera").addEventListener("click", () => dialog.close());
  // The event comes late: by then the dialog may be open again.
  dialog.addEventListener("close", () => { if (!dialog.open) turnOffCamera(); });
}

async function openCamera() {
  turnOffCamera();
  problem.textContent = "";
  shutter.disabled = true;
  openings += 1;
  const opening = openings;
  // The dialog may be closed, and opened again, before the camera is ready.
  const isCurrent = () => dialog.open && opening === openings;
  dialog.showModal();
  try {
    const wanted = { video: { facingMode: "environment", width: { ideal: 1280 } } };
    const stream = await navigator.mediaDevices.getUserMedia(wanted);
    if (!isCurrent()) return stop(stream);
    video.srcObject = stream;
    await video.play();
    shutter.disabled = false;
    shutter.focus();
  } catch (error) {
    if (isCurrent()) problem.textContent = say(PROBLEMS[error.name] ?? "cameraBusy");
  }
}

async function takeFrame() {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: PHOTO_QUALITY });
  return new File([blob], `${say("fromCamera")}.jpg`, { type: blob.type });
}

function turnOffCamera() {
  stop(video.srcObject);
  video.srcObject = null;
}

function stop(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

// Calls `take` with an array of one file whenever an example is clicked.
export function listenForExamples(take) {
  document.querySelector(".examples")?.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    // The page may not fetch data: URLs.
    const [, content] = button.querySelector("img").src.split(",");
    const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
    take([new File([bytes], button.dataset.name, { type: "image/webp" })]);
  });
}
