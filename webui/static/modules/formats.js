// What the bytes of a file say about it, whatever its name does.

// Number of bytes within which a JPEG says what it holds; profiles and thumbnails may come first.
const HEAD_BYTES = 1024 * 1024;
// Number of bytes at the end, where PNG and WebP may keep their EXIF data.
const TAIL_BYTES = 64 * 1024;
const WEBP_MOVES = 0x02;
// The EXIF tag of a picture that must be turned, in either order of bytes.
const TURNED = /\x01\x12\0\x03\0\0\0\x01\0[\x02-\x08]|\x12\x01\x03\0\x01\0\0\0[\x02-\x08]\0/;

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
