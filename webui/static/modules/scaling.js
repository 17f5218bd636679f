// Smaller versions of pictures: of large photos, to be sent, and of all pictures, to be kept. What a
// picture is, its bytes say, whatever its name does.

// Longest side, in pixels, of a photo that was made smaller. The model reduces it to a few dozen
// pixels, which look the same as those of the original.
const LARGEST_SIDE = 1024;
const LARGE_BYTES = 512 * 1024;
const QUALITY = 0.95;
const PREVIEW_SIDE = 480;
const PREVIEW_QUALITY = 0.8;
// Number of bytes within which a JPEG says what it holds; profiles and thumbnails may come first.
const HEAD_BYTES = 1024 * 1024;
// Number of bytes at the end, where PNG and WebP may keep their EXIF data.
const TAIL_BYTES = 64 * 1024;
const WEBP_MOVES = 0x02;
// The EXIF tag of a picture that must be turned, in either order of bytes.
const TURNED = /\x01\x12\0\x03\0\0\0\x01\0[\x02-\x08]|\x12\x01\x03\0\x01\0\0\0[\x02-\x08]\0/;

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

// Returns `{ isCommon, mayMove }`: whether browsers decode `file` as the model does, and whether
// they may show several frames of it.
export async function inspect(file) {
  const ends = new Blob([file.slice(0, HEAD_BYTES), file.slice(-TAIL_BYTES)]);
  const bytes = await ends.arrayBuffer().catch(() => new ArrayBuffer()); // The file is gone.
  const text = new TextDecoder("latin1").decode(bytes);
  const isPng = text.startsWith("PNG", 1);
  const isWebp = /^RIFF.{4}WEBP/s.test(text);
  const mayMove = text.startsWith("GIF8")
    || (isPng && text.slice(0, text.indexOf("IDAT")).includes("acTL"))
    || (isWebp && text.startsWith("VP8X", 12) && (text.charCodeAt(20) & WEBP_MOVES) !== 0);
  const isStill = (isPng || isWebp) && !mayMove && !TURNED.test(text);
  return { isCommon: isStill || isCommonJpeg(new DataView(bytes)), mayMove };
}

// Says whether this is a JPEG in grey or colour; those for printing (CMYK) look different
// everywhere.
function isCommonJpeg(bytes) {
  if (bytes.byteLength < 4 || bytes.getUint16(0) !== 0xffd8) return false;
  for (let start = 2; start + 10 <= bytes.byteLength;) {
    const marker = bytes.getUint16(start);
    const startsFrame = marker >= 0xffc0 && marker <= 0xffcf;
    if (startsFrame && ![0xffc4, 0xffc8, 0xffcc].includes(marker)) {
      return [1, 3].includes(bytes.getUint8(start + 9));
    }
    start += 2 + bytes.getUint16(start + 2);
  }
  return false;
}
