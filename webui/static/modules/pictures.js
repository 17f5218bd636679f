// The files behind the cards, which this browser keeps along with the answers: a reload, another
// language or another try needs nobody to choose them again.

const NAME = "pictures";

// Where the browser keeps nothing, the files last as long as the page.
const inMemory = new Map();
let opening = null;

// Keeps a picture, `{ file, version, original, preview }`, under the key of its card.
export function keepPicture(key, picture) {
  inMemory.set(key, picture);
  return use("readwrite", (store) => store.put(picture, key));
}

export async function findPicture(key) {
  const picture = inMemory.get(key) ?? await use("readonly", (store) => store.get(key));
  if (picture) inMemory.set(key, picture);
  return picture;
}

export const peekPicture = (key) => inMemory.get(key);

// Keeps no pictures but those with the keys in the set `used`.
export async function forgetOthers(used) {
  const unused = (await listKeys()).filter((key) => !used.has(key));
  if (unused.length > 0) await use("readwrite", (store) => unused.map((key) => store.delete(key)));
}

// Forgets all pictures, and returns them as pairs of a key and a picture.
export async function takeAll() {
  const keys = new Set([...(await listKeys()), ...inMemory.keys()]);
  const kept = await Promise.all([...keys].map(async (key) => [key, await findPicture(key)]));
  inMemory.clear();
  await forgetOthers(new Set());
  return kept;
}

const listKeys = async () => (await use("readonly", (store) => store.getAllKeys())) ?? [];

async function use(mode, act) {
  try {
    opening ??= open();
    const transaction = (await opening).transaction(NAME, mode);
    const request = act(transaction.objectStore(NAME));
    await new Promise((resolve, reject) => {
      transaction.addEventListener("complete", resolve);
      transaction.addEventListener("abort", reject);
    });
    return request.result;
  } catch {
    return undefined; // Storage is blocked or full, or the file is gone.
  }
}

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME);
    request.addEventListener("upgradeneeded", () => request.result.createObjectStore(NAME));
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", reject);
  });
}
