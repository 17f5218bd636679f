// A photo taken on the spot: with the phone's own camera program, or in a dialog of the page.

import { takeFrom } from "./intake.js";
import { say } from "./words.js";

const QUALITY = 0.95;
const PROBLEMS = {
  NotAllowedError: "cameraRefused",
  NotFoundError: "cameraMissing",
};

const dialog = document.querySelector("#camera");
const video = dialog.querySelector("video");
const problem = dialog.querySelector("#camera-problem");
const shutter = dialog.querySelector("#shutter");

// Calls `take` with an array of one file whenever a photo is taken.
export function listenForPhotos(take) {
  const capture = document.querySelector("#capture");
  capture.addEventListener("change", () => takeFrom(capture, take));
  document.querySelector("#open-camera").addEventListener("click", () => {
    // Browsers hide their cameras from pages that come over plain HTTP from another machine.
    const isPhone = matchMedia("(pointer: coarse)").matches;
    if (isPhone || !navigator.mediaDevices) capture.click();
    else open();
  });
  shutter.addEventListener("click", async () => {
    const file = await takeFrame();
    dialog.close();
    take([file]);
  });
  dialog.querySelector("#close-camera").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", stop);
}

async function open() {
  problem.textContent = "";
  shutter.disabled = true;
  dialog.showModal();
  try {
    const wanted = { video: { facingMode: "environment", width: { ideal: 1280 } } };
    const stream = await navigator.mediaDevices.getUserMedia(wanted);
    video.srcObject = stream;
    if (!dialog.open) return stop();
    await video.play();
    shutter.disabled = false;
    shutter.focus();
  } catch (error) {
    if (dialog.open) problem.textContent = say(PROBLEMS[error.name] ?? "cameraBusy");
  }
}

async function takeFrame() {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", QUALITY); });
  return new File([blob], `${say("fromCamera")}.jpg`, { type: blob.type });
}

function stop() {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}
