// The pictures of the archive that visitors can try, which the page brings along.

// Calls `take` with an array of one file whenever an example is clicked.
export function listenForExamples(take) {
  document.querySelector(".examples")?.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    // The page may not fetch data: URLs.
    const [, content] = button.querySelector("img").src.split(",");
    const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
    take([new File([bytes], button.dataset.name, { type: "image/webp" })]);
  });
}
