// What the bytes of a file say about it, whatever its name does.

// Number of bytes within which a JPEG says what it holds; profiles and thumbnails may come first.
const HEADER_BYTES = 1024 * 1024;
const WEBP_MOVES = 0x02;
const WEBP_HAS_EXIF = 0x08;
// The EXIF tag that says how to turn a picture, if it must be turned, in either order of bytes.
const TURNED = /\x01\x12\0\x03\0\0\0\x01\0[\x02-\x08]|\x12\x01\x03\0\x01\0\0\0[\x02-\x08]\0/;

// Says whether a browser decodes `file` as the model does: it is one picture in a common format.
export async function isCommonPicture(file) {
  const bytes = new DataView(await file.slice(0, HEADER_BYTES).arrayBuffer());
  if (bytes.byteLength < 32) return false;
  if (bytes.getUint16(0) === 0xffd8) return isCommonJpeg(bytes);
  if (read(bytes, 1, 3) === "PNG") {
    const chunks = listChunks(new DataView(await file.arrayBuffer()));
    return !chunks.some(({ type, turns }) => type === "acTL" || turns);
  }
  return isWebp(bytes) && !(webpFlags(bytes) & (WEBP_MOVES | WEBP_HAS_EXIF));
}

// Says whether `file` may hold several frames, of which browsers show one after the other.
export async function mayMove(file) {
  try {
    const bytes = new DataView(await file.slice(0, HEADER_BYTES).arrayBuffer());
    if (bytes.byteLength < 32) return false;
    if (read(bytes, 1, 3) === "PNG") return listChunks(bytes).some(({ type }) => type === "acTL");
    return read(bytes, 0, 3) === "GIF" || (isWebp(bytes) && Boolean(webpFlags(bytes) & WEBP_MOVES));
  } catch {
    return false; // The file is gone.
  }
}

// Says whether a JPEG is in grey or colour; those for printing (CMYK) look different everywhere.
function isCommonJpeg(bytes) {
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

// Returns the type of each chunk of a PNG, and whether it says that the picture must be turned.
function listChunks(bytes) {
  const chunks = [];
  for (let start = 8; start + 12 <= bytes.byteLength; start += 12 + bytes.getUint32(start)) {
    const type = read(bytes, start + 4, 4);
    const length = Math.min(bytes.getUint32(start), bytes.byteLength - start - 8);
    chunks.push({ type, turns: type === "eXIf" && TURNED.test(read(bytes, start + 8, length)) });
  }
  return chunks;
}

function isWebp(bytes) {
  return read(bytes, 0, 4) === "RIFF" && read(bytes, 8, 4) === "WEBP";
}

function webpFlags(bytes) {
  return read(bytes, 12, 4) === "VP8X" ? bytes.getUint8(20) : 0;
}

function read(bytes, start, length) {
  return new TextDecoder("latin1").decode(new Uint8Array(bytes.buffer, start, length));
}
