// Shows one batch while it is worked on: how far it is, and each image with its words or its error.

import { BatchClient, Refused } from "./batch.js";
import { counted, element, tell } from "./page.js";
import { Thumbnails } from "./thumbnails.js";

const STEP = 25; // Percent: a screen reader is told of quarters, not of each image.
const STATES = {
  pending: "Waiting",
  processing: "In work",
  failed: "Failed",
  cancelled: "Cancelled",
};

const client = new BatchClient();
const thumbnails = new Thumbnails();
const jobId = location.pathname.split("/").at(-1);
const [title, job, summary, progress, connection, announced, again, retry, refusal, heading, images] = [
  "title", "job", "summary", "progress", "connection", "announced", "again", "retry", "refusal", "heading", "images",
].map((id) => document.getElementById(id));
let announcedStep = 0;
let isRetrying = false;

function show(event) {
  if (event.images) showImages(event.images);
  if (event.image) images.children[event.image.index].replaceWith(card(event.image));
  progress.value = event.progress;
  tell(summary, summaryOf(event));
  document.title = `${Math.floor(event.progress)} %: ${counted(event.total_images, "image")}`;
  announce(event);
  if (event.type === "job_complete") again.hidden = !images.querySelector("[data-was-in-work][data-status=failed]");
}

function showImages(all) {
  heading.hidden = !all.length;
  images.replaceChildren(...all.map(card));
}

function summaryOf({ type, completed, failed, cancelled = 0, total_images: total }) {
  const open = total - completed - failed - cancelled;
  const parts = [`${completed} of ${counted(total, "image")} tagged`];
  if (failed) parts.push(`${failed} failed`);
  if (cancelled) parts.push(`${cancelled} cancelled`);
  if (open) parts.push(`${open} to go`);
  return `${type === "job_complete" ? "Done: " : ""}${parts.join(", ")}.`;
}

function announce(event) {
  const step = Math.floor(event.progress / STEP);
  const isNews = !event.images && step > announcedStep && event.progress < 100;
  if (event.type === "job_complete") tell(announced, summaryOf(event));
  else if (isNews) tell(announced, `${step * STEP} percent done.`);
  announcedStep = step;
}

function card(image) {
  const { original_filename: name, status, start_time: startTime, metadata, error } = image;
  return element(
    "li",
    { "data-status": status, ...(startTime && { "data-was-in-work": "" }) },
    status === "completed" ? picture(image) : inPlaceOfPicture(status),
    element("h3", {}, element("bdi", {}, name)),
    error ? element("p", {}, error) : undefined,
    ...(metadata ? words(metadata) : []),
    status === "completed" ? saving(image) : undefined,
  );
}

/** As large, so that nothing moves when the picture comes. */
function inPlaceOfPicture(status) {
  return element("p", { class: status === "failed" ? "place wrong" : "place faint" }, STATES[status] ?? status);
}

function picture({ index, original_filename: name, metadata }) {
  const address = client.imageUrl(jobId, index);
  const shown = element("img", { alt: metadata?.title || name, decoding: "async" });
  thumbnails.add(shown, address);
  return element("a", { class: "picture", href: address }, shown);
}

function saving({ index, original_filename: name }) {
  const address = client.imageUrl(jobId, index);
  return element("a", { class: "saving", href: address, download: "", "aria-label": `Save ${name}` }, "Save");
}

function words({ title: written, description, keywords }) {
  return [
    written ? element("p", { class: "title", dir: "auto" }, written) : undefined,
    description ? element("p", { dir: "auto" }, description) : undefined,
    keywords.length
      ? element("ul", { class: "keywords", "aria-label": "Keywords" }, ...keywords.map((word) => element("li", { dir: "auto" }, word)))
      : undefined,
  ];
}

/** The failed images once more, as a batch of its own. Of which of them enough was kept for that the gateway knows. */
async function tryAgain() {
  if (isRetrying) return;
  isRetrying = true;
  tell(refusal, "");
  const onWait = ({ message }) => tell(connection, `${message} Trying again.`);
  try {
    const { job_id: newJobId } = await client.retry(jobId, { onWait });
    location.assign(encodeURIComponent(newJobId));
  } catch (error) {
    tell(refusal, error.message);
    isRetrying = false;
  }
  tell(connection, "");
}

function tellOfTheEnd(error) {
  const isUnknown = error instanceof Refused && error.status === 404;
  tell(title, isUnknown ? "No such batch" : "The batch can't be shown");
  tell(summary, isUnknown ? "There is none at this address, or it was deleted." : error.message);
  tell(connection, "");
  document.title = title.textContent;
  progress.hidden = true;
  if (isUnknown) showImages([]);
}

tell(job, jobId);
retry.addEventListener("click", tryAgain);
// Back from the new batch's page, by a browser that kept this one as it was.
addEventListener("pageshow", () => (isRetrying = false));
try {
  const onWait = () => tell(connection, "The connection is lost. Trying again.");
  const onOpen = () => {
    tell(connection, "");
    thumbnails.tryAgain();
  };
  for await (const event of client.follow(jobId, { images: true, onWait, onOpen })) show(event);
} catch (error) {
  tellOfTheEnd(error);
}
