// The texts that scripts show; the server has put them into the page in the page's language.

const words = JSON.parse(document.querySelector("#words").textContent);
const log = document.querySelector("#announcements");
const MOST_ANNOUNCEMENTS = 20;

// Returns the text called `key`, with `values` in place of their {names}.
export const say = (key, values = {}) => fill(words[key], values);

export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// Makes screen readers say `text`.
export function announce(text) {
  const line = document.createElement("p");
  line.textContent = text;
  log.append(line);
  if (log.childElementCount > MOST_ANNOUNCEMENTS) log.firstElementChild.remove();
}
