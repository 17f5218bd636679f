// The ways into the page for pictures that exist already: the form, a drop and the clipboard.

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
export function takeFrom(input, take) {
  const files = [...input.files];
  input.value = "";
  take(files);
}
