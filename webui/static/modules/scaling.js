// Smaller versions of pictures: of large photos, to be sent, and of all pictures, to be kept.

import { isCommonPicture } from "./formats.js";

// Longest side, in pixels, of a photo that was made smaller. The model reduces it to a few dozen
// pixels, which look the same as those of the original.
const LARGEST_SIDE = 1024;
const LARGE_BYTES = 512 * 1024;
const QUALITY = 0.95;
const PREVIEW_SIDE = 480;
const PREVIEW_QUALITY = 0.8;

// Returns `{ blob, original }` for a large picture, the latter being its size in words, and null
// for a file that is better sent as it is: a small one, or one that the browser might decode
// differently from the model.
export async function scaleDown(file) {
  if (file.size < LARGE_BYTES || !(await isCommonPicture(file)) || !canvasIsHonest()) return null;
  const scaled = await draw(file, LARGEST_SIDE, "image/jpeg", QUALITY);
  return scaled && scaled.blob.size < file.size ? scaled : null;
}

// Returns a small version of `file` as a data: address, and null if the browser can't show it.
export async function createPreview(file) {
  const drawn = await draw(file, PREVIEW_SIDE, "image/webp", PREVIEW_QUALITY);
  return drawn && readAsAddress(drawn.blob);
}

async function draw(file, largestSide, type, quality) {
  try {
    // The model, too, turns pictures upright and leaves the numbers of their colours as they are.
    const options = { imageOrientation: "from-image", colorSpaceConversion: "none" };
    const bitmap = await createImageBitmap(file, options);
    const original = `${bitmap.width} × ${bitmap.height}`;
    const scale = Math.min(1, largestSide / Math.max(bitmap.width, bitmap.height));
    const width = Math.max(1, Math.round(bitmap.width * scale));
    const height = Math.max(1, Math.round(bitmap.height * scale));
    const size = { resizeWidth: width, resizeHeight: height, resizeQuality: "high" };
    const small = await createImageBitmap(bitmap, size);
    bitmap.close();
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    // The model lays transparent pictures on white, and a JPEG knows no transparency.
    context.fillStyle = type === "image/jpeg" ? "white" : "transparent";
    context.fillRect(0, 0, width, height);
    context.drawImage(small, 0, 0);
    small.close();
    const blob = await new Promise((resolve) => { canvas.toBlob(resolve, type, quality); });
    return blob && { blob, original };
  } catch {
    return null; // The browser can't decode it, or finds it too large.
  }
}

// Says whether a canvas gives back what was drawn: some browsers add noise, so that nobody can be
// recognised by it.
function canvasIsHonest() {
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = "rgb(10, 120, 230)";
  context.fillRect(0, 0, 8, 8);
  const { data } = context.getImageData(0, 0, 8, 8);
  const expected = [10, 120, 230, 255];
  return data.every((value, index) => Math.abs(value - expected[index % 4]) <= 1);
}

function readAsAddress(blob) {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => resolve(null));
    reader.readAsDataURL(blob);
  });
}
