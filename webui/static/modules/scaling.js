// Smaller versions of pictures: of large photos, to be sent, and of all pictures, to be kept.

import { inspect } from "./formats.js";

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
  if (file.size < LARGE_BYTES || !(await inspect(file)).isCommon || !canvasIsHonest()) return null;
  // The model lays transparent pictures on white, and a JPEG knows no transparency.
  const drawn = await draw(file, LARGEST_SIDE, "white");
  if (!drawn?.isSmaller) return null;
  const { canvas, original } = drawn;
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", QUALITY); });
  return blob?.size < file.size ? { blob, original } : null;
}

// Returns a small version of `file` as a data: address, and null if the browser can't show it.
export async function createPreview(file) {
  const drawn = await draw(file, PREVIEW_SIDE, "transparent");
  return drawn && drawn.canvas.toDataURL("image/webp", PREVIEW_QUALITY);
}

async function draw(file, largestSide, ground) {
  try {
    // The model, too, turns pictures upright and leaves the numbers of their colours as they are.
    const options = { imageOrientation: "from-image", colorSpaceConversion: "none" };
    const bitmap = await createImageBitmap(file, options);
    const original = `${bitmap.width} × ${bitmap.height}`;
    const scale = Math.min(1, largestSide / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const { width: resizeWidth, height: resizeHeight } = canvas;
    const size = { resizeWidth, resizeHeight, resizeQuality: "high" };
    const small = await createImageBitmap(bitmap, size);
    bitmap.close();
    const context = canvas.getContext("2d");
    context.fillStyle = ground;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(small, 0, 0);
    small.close();
    return { canvas, original, isSmaller: scale < 1 };
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
