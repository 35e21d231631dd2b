// Sends the photos that are dropped or chosen, then opens the page of their batch.

import { BatchClient, Refused } from "./batch.js";
import { counted, element, tell } from "./page.js";

const LONGEST_LIST = 10; // of faults: a hundred images may each have one

const client = new BatchClient();
const [drop, photos, sending, news, refusal] = ["drop", "photos", "sending", "news", "refusal"].map((id) =>
  document.getElementById(id),
);
let mostImages; // Until it is known, the gateway is left to say no.
let current; // The AbortController of what is being sent.

/** Ask how many images a batch may have here. */
async function learnBound() {
  try {
    const { components } = await (await fetch("api/v1/openapi.json")).json();
    mostImages = components.schemas.NewBatch.properties.images.maxItems;
    tell(document.getElementById("bound"), `, at most ${mostImages} in a batch`);
  } catch {
    // Where it can't be learnt the page does without.
  }
}

async function send(files) {
  if (current) return;
  refusal.replaceChildren();
  if (!files.length) return refuse("There is no photo in it. Folders can't be sent: choose the photos in them.");
  if (files.length > mostImages) return refuse(`${counted(files.length, "photo")}: a batch has at most ${mostImages}.`);
  show(new AbortController());
  const megabytes = files.reduce((sum, { size }) => sum + size, 0) / 1024 ** 2;
  tell(news, `Sending ${counted(files.length, "photo")}, ${megabytes.toFixed(1)} MB.`);
  try {
    const { job_id: jobId } = await client.submit(files, { signal: current.signal, onWait });
    location.assign(`batches/${encodeURIComponent(jobId)}`);
  } catch (error) {
    refuse(wordsFor(error), error.errors);
  } finally {
    tell(news, "");
    show(undefined);
  }
}

function show(controller) {
  const isLeftAlone = sending.contains(document.activeElement); // Who pressed Stop, which is about to vanish.
  current = controller;
  sending.hidden = !controller;
  photos.disabled = Boolean(controller);
  if (isLeftAlone) photos.focus();
}

function onWait(error) {
  tell(news, `${error.message} Trying again.`);
}

function wordsFor(error) {
  if (error.name === "AbortError") return "Stopped. If all of it had been sent by then, the batch was taken nevertheless.";
  return error instanceof Refused ? `Refused: ${error.message}` : error.message;
}

function refuse(text, faults = []) {
  const shown = faults.slice(0, LONGEST_LIST).map(({ pointer, detail }) => element("li", {}, `${pointer}: ${detail}`));
  if (faults.length > shown.length) shown.push(element("li", {}, `and ${faults.length - shown.length} more`));
  refusal.replaceChildren(element("p", { class: "wrong" }, text), ...(shown.length ? [element("ul", {}, ...shown)] : []));
  photos.value = "";
}

/** The files of a drop, without folders, which look like files that can't be read. */
function filesOf({ items }) {
  return [...items]
    .filter((item) => item.kind === "file" && !item.webkitGetAsEntry()?.isDirectory)
    .map((item) => item.getAsFile());
}

learnBound();
photos.addEventListener("change", () => send([...photos.files]));
document.getElementById("stop").addEventListener("click", () => current?.abort());
drop.addEventListener("submit", (event) => event.preventDefault());
// A photo that misses the zone must not take the place of the page.
for (const type of ["dragover", "drop"]) addEventListener(type, (event) => event.preventDefault());
drop.addEventListener("dragenter", () => drop.classList.add("over"));
drop.addEventListener("dragleave", ({ relatedTarget }) => drop.contains(relatedTarget) || drop.classList.remove("over"));
drop.addEventListener("drop", ({ dataTransfer }) => {
  drop.classList.remove("over");
  send(filesOf(dataTransfer));
});
// Back from the batch's page, by a browser that kept this one as it was.
addEventListener("pageshow", () => (photos.value = ""));
