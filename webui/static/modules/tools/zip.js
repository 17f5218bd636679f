// ZIP archives as PKWARE's APPNOTE.TXT describes them (sections 4.3.7, 4.3.12 and 4.3.16). Nothing
// is compressed, as pictures are already.

const VERSION = 20;
const UTF8_NAMES = 0x0800;
const FIRST_YEAR = 1980;
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let rest = index;
  for (let bit = 0; bit < 8; bit += 1) rest = (rest >>> 1) ^ (rest & 1 ? 0xedb88320 : 0);
  return rest;
});

// Returns an archive, of less than 4 GB, of `entries`: `{ path, file }`.
export async function createZip(entries) {
  const contents = [];
  const directory = [];
  let offset = 0;
  for (const { path, file } of entries) {
    const name = new TextEncoder().encode(path);
    const [time, date] = toDosTime(new Date(file.lastModified));
    const crc = computeCrc(new Uint8Array(await file.arrayBuffer()));
    const described = [
      pack(2, VERSION, UTF8_NAMES, 0, time, date), pack(4, crc, file.size, file.size),
      pack(2, name.length, 0),
    ];
    const entry = new Blob([pack(4, 0x04034b50), ...described, name, file]);
    contents.push(entry);
    directory.push(
      pack(4, 0x02014b50), pack(2, VERSION), ...described, pack(2, 0, 0, 0), pack(4, 0, offset), name,
    );
    offset += entry.size;
  }
  const list = new Blob(directory);
  const end = [
    pack(4, 0x06054b50), pack(2, 0, 0, entries.length, entries.length), pack(4, list.size, offset),
    pack(2, 0),
  ];
  return new Blob([...contents, list, ...end], { type: "application/zip" });
}

// Returns numbers of so many bytes each, the lowest byte first.
function pack(size, ...numbers) {
  return Uint8Array.from({ length: size * numbers.length }, (_, index) => (
    numbers[Math.floor(index / size)] >>> (8 * (index % size))
  ));
}

function toDosTime(moment) {
  const year = Math.max(0, moment.getFullYear() - FIRST_YEAR);
  return [
    (moment.getHours() << 11) | (moment.getMinutes() << 5) | (moment.getSeconds() >> 1),
    (year << 9) | ((moment.getMonth() + 1) << 5) | moment.getDate(),
  ];
}

function computeCrc(bytes) {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = (rest >>> 8) ^ CRC_TABLE[(rest ^ byte) & 0xff];
  return ~rest;
}
