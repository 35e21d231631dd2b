// @ts-self-types="./batch.d.ts"
/**
 * A client of the batch gateway for browsers and for Node.js from version 22 on: it sends images and follows what becomes
 * of them, over as many connections as it takes. No dependency, nothing to build:
 *
 *     import { BatchClient } from "https://images.example.com/static/batch.js";
 *
 *     const gateway = new BatchClient();
 *     for await (const event of gateway.submitAndFollow(input.files)) console.log(event.progress);
 *
 * Calls throw Refused when the gateway says no, Unreachable when it says nothing, Closed when it ends a connection for good,
 * Unreadable when a file can't be read, and the reason of `signal` when that is aborted. batch.d.ts has all the types.
 */

const FIRST_PAUSE_S = 0.2;
const LONGEST_PAUSE_S = 10;
const SPREAD_S = 5; // All clients of a gateway that starts anew come back, over so long a time.
const LATER_S = 5; // A gateway with too much to do is left alone, where it names no time itself.
const ANSWER_S = 30;
const HEARTBEAT_S = 20; // Until the gateway tells its own.
const HEARTBEATS_OF_SILENCE = 2.5;
const PIECE_BYTES = 32_766; // A multiple of three: pieces of base64 can be put together.

const LEAVING = [1001, 1012];
const OVERLOADED = 1013;
const NO_CLOSE_FRAME = 1006;
const NO_JSON = 1007;
const DELETED = 4500;
const FOR_GOOD = [1000, 1002, 1003, NO_JSON, 1008, 1009, 1010];
const TRY_AGAIN = [429, 502, 503, 504];

/** The gateway says no. `code` is a stable word, the message a text for people, `errors` the faults in detail. */
export class Refused extends Error {
  name = "Refused";

  constructor(status, { code = "", detail = `The gateway answered ${status}.`, errors = [] } = {}, retryAfterS) {
    super(detail);
    Object.assign(this, { status, code, errors, retryAfterS });
  }
}

/** No gateway answers, or the network is gone. */
export class Unreachable extends Error {
  name = "Unreachable";
}

/** A file can't be read: it was moved or changed since it was chosen, or lies in a cloud that is away. */
export class Unreadable extends Error {
  name = "Unreadable";
}

/** A connection has ended with this close code: for good if a call throws it, else it is what a call waits after. */
export class Closed extends Error {
  name = "Closed";

  constructor(code, reason) {
    super(`The connection was closed with ${code}${reason ? `: ${reason}` : "."}`);
    Object.assign(this, { code, reason });
  }
}

/** Whether to connect again after a connection that ended with this close code. */
export function comesBack(code) {
  return code < DELETED && !FOR_GOOD.includes(code);
}

/**
 * How long to stay away after so many failures in a row, in seconds: at random, so that those who failed at the same moment
 * do not come back at the same moment. `code` is that of the connection that was lost, `retryAfterS` what the gateway asks for.
 */
export function pauseAfter(failures, { code, retryAfterS, random = Math.random } = {}) {
  const backoffS = Math.min(FIRST_PAUSE_S * 2 ** failures, LONGEST_PAUSE_S) * random();
  if (LEAVING.includes(code)) return SPREAD_S * random() + backoffS;
  const askedS = retryAfterS ?? (code === OVERLOADED ? LATER_S : 0);
  return askedS * (1 + random() / 2) + backoffS;
}

export class BatchClient {
  #baseUrl;

  /** `baseUrl` is where the gateway is, below a path too. By default it is the one that this module came from. */
  constructor(baseUrl = new URL("..", import.meta.url)) {
    this.#baseUrl = new URL(baseUrl, globalThis.location?.href);
    if (!this.#baseUrl.pathname.endsWith("/")) this.#baseUrl.pathname += "/";
  }

  /**
   * Sends a batch: Blobs, Files and URLs, or `{ blob, name }` and `{ url, name }` to give names.
   *
   * Files stream from disk; beside URLs they are held in memory as base64. It is sent again while the gateway is busy or
   * away, for `patienceS` after the first failure, and is one job all the same: each try has the same idempotency key.
   * `onWait` is told each time why it waits, and for how many seconds.
   */
  async submit(images, { metadata, strict = false, idempotencyKey = newKey(), patienceS = 60, signal, onWait } = {}) {
    const url = this.#url("batch", strict ? { strict: "true" } : {});
    const { body, headers } = await bodyOf([...images], metadata && { metadata });
    headers["Idempotency-Key"] = quoted(idempotencyKey);
    const request = { method: "POST", body, headers, signal };
    const send = () => answerOf(url, request).catch((error) => blame(error, body));
    return untilAnswered(send, { patienceS, signal, onWait });
  }

  /** The job as it is now, with all its images. */
  async status(jobId, { signal } = {}) {
    return answerOf(this.#url(`batch/${encodeURIComponent(jobId)}`), { signal }, ANSWER_S);
  }

  /** Where an image's bytes are: its tagged copy (`processed`), or what was sent (`original`). */
  imageUrl(jobId, index, which = "processed") {
    return this.#url(`batch/${encodeURIComponent(jobId)}/images/${index}/${which}`).href;
  }

  /**
   * The job's present state, then its events up to `job_complete`, which is the last one.
   *
   * `after`, the id of an event, goes on behind that one: its state comes first. "0" tells the whole log. After a lost
   * connection it comes back by itself and goes on behind the last event; repeats are left out. With `images` an event that
   * says `resumed: false` has all images as they are then. Without them each image's end comes at most once, also where the
   * log begins anew, as after a restore from a backup. It does not give up: abort `signal`, or leave the loop.
   * `onWait` is told each time why it waits, and for how many seconds, `onOpen` when a connection has brought its first
   * message.
   */
  async *follow(jobId, { after = "", images = false, signal, onWait = () => {}, onOpen = () => {} } = {}) {
    let hasBegun = false;
    let ended = new Set();
    for (let failures = 0; ; failures++) {
      signal?.throwIfAborted();
      const connection = new Connection(this.#followUrl(jobId, after, images), onOpen);
      for await (const event of connection.events(signal)) {
        const { image, images: all } = event;
        const isKnown = (hasBegun && isRepeat(event, after)) || ended.has(image?.index);
        hasBegun = true;
        after = event.id;
        if (isKnown) continue;
        failures = 0;
        if (all) ended = new Set(all.filter(hasEnded).map(({ index }) => index));
        if (image) ended.add(image.index);
        yield event;
        if (event.type === "job_complete") return;
      }
      const { code } = connection.closed;
      if (code === DELETED) throw new Refused(404, { code: "job_not_found", detail: "The job was deleted." });
      if (!comesBack(code)) throw connection.closed;
      const refusal = connection.wasOpened ? undefined : await this.#refusalOf(jobId, signal);
      if (refusal && !TRY_AGAIN.includes(refusal.status)) throw refusal;
      const pauseS = pauseAfter(failures, { code, retryAfterS: refusal?.retryAfterS });
      onWait(refusal ?? connection.closed, pauseS);
      await sleep(pauseS, signal);
    }
  }

  /** `submit`, then `follow` from the first event on: each image's end comes exactly once. */
  async *submitAndFollow(images, options = {}) {
    const { job_id: jobId } = await this.submit(images, options);
    yield* this.follow(jobId, { after: "0", ...options });
  }

  /** Why no WebSocket was opened, which browsers keep to themselves; undefined if the gateway has nothing against it. */
  async #refusalOf(jobId, signal) {
    try {
      await answerOf(this.#url(`batch/${encodeURIComponent(jobId)}/ws`), { signal }, ANSWER_S);
    } catch (error) {
      signal?.throwIfAborted();
      const isUpgradeRequired = error.status === 426; // What every plain request gets that would else be welcome.
      return error instanceof Refused && !isUpgradeRequired ? error : undefined;
    }
  }

  #followUrl(jobId, after, images) {
    const query = { ...(after && { after }), ...(images && { images: "true" }) };
    const url = this.#url(`batch/${encodeURIComponent(jobId)}/ws`, query);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return url;
  }

  #url(path, query = {}) {
    const url = new URL(`api/v1/${path}`, this.#baseUrl);
    url.search = new URLSearchParams(query);
    return url;
  }
}

/** One WebSocket: its messages in order, and in the end `closed`, the Closed that it ended with. */
class Connection {
  closed;
  wasOpened = false;
  #socket;
  #onFirst;
  #waiting = [];
  #wake = () => {};
  #heartbeatS = HEARTBEAT_S;
  #watch;

  constructor(url, onFirst) {
    this.#onFirst = onFirst;
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => (this.wasOpened = true);
    this.#socket.onmessage = ({ data }) => this.#take(data);
    this.#socket.onclose = ({ code, reason }) => this.#end(code, reason);
    this.#listenOn();
  }

  /** Until the connection ends, for which leaving the loop is a reason, too. */
  async *events(signal) {
    const wake = () => this.#wake();
    signal?.addEventListener("abort", wake);
    try {
      for (;;) {
        signal?.throwIfAborted();
        if (this.#waiting.length) yield this.#waiting.shift();
        else if (this.closed) return;
        else await new Promise((resolve) => (this.#wake = resolve));
      }
    } finally {
      signal?.removeEventListener("abort", wake);
      this.#end(1000);
    }
  }

  #take(data) {
    const event = parsed(data);
    if (!event) return this.#end(NO_JSON, "a message that is no JSON object");
    this.#heartbeatS = event.heartbeat_s ?? this.#heartbeatS;
    this.#listenOn();
    this.#onFirst();
    this.#onFirst = () => {};
    if (event.id === undefined) return; // A kind of message that is no event of the job.
    if (isSuperseded(this.#waiting.at(-1), event)) this.#waiting.pop();
    this.#waiting.push(event);
    this.#wake();
  }

  #listenOn() {
    clearTimeout(this.#watch);
    const silenceS = HEARTBEATS_OF_SILENCE * this.#heartbeatS;
    this.#watch = setTimeout(() => this.#end(NO_CLOSE_FRAME, `silence for ${silenceS} s`), 1000 * silenceS);
  }

  /** Without waiting for the other side, which may be gone: a browser would take its time to find that out. */
  #end(code, reason = "") {
    if (this.closed) return;
    this.closed = new Closed(code, reason);
    clearTimeout(this.#watch);
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#wake();
  }
}

/** What a slow caller need not see: a state that the next one is newer than. */
function isSuperseded(waiting, next) {
  return waiting?.type === "progress" && next.type === "progress" && waiting.resumed === undefined;
}

/** Heartbeats, and the opening of a connection that goes on where the last one ended. */
function isRepeat(event, after) {
  return event.id === after && event.type !== "job_complete" && event.resumed !== false;
}

function hasEnded({ status }) {
  return status !== "pending" && status !== "processing";
}

function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

/** What the gateway answers, as JSON; within `deadlineS`, but for what takes its time to be sent. */
async function answerOf(url, { signal, ...request }, deadlineS) {
  let answer, told;
  try {
    answer = await fetch(url, { ...request, signal: deadlineS ? within(deadlineS, signal) : signal });
    told = parsed(await answer.text());
  } catch (error) {
    signal?.throwIfAborted();
    throw new Unreachable(`No gateway answers at ${url.origin}.`, { cause: error });
  }
  if (answer.ok && told) return told;
  throw new Refused(answer.status, told ?? undefined, secondsOf(answer.headers.get("Retry-After")));
}

function secondsOf(retryAfter) {
  return /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) : undefined;
}

async function untilAnswered(send, { patienceS, signal, onWait = () => {} }) {
  let giveUpAt;
  for (let failures = 0; ; failures++) {
    try {
      return await send();
    } catch (error) {
      if (!mayBeTriedAgain(error)) throw error;
      giveUpAt ??= performance.now() + 1000 * patienceS;
      const pauseS = pauseAfter(failures, { retryAfterS: error.retryAfterS });
      if (performance.now() + 1000 * pauseS > giveUpAt) throw error;
      onWait(error, pauseS);
      await sleep(pauseS, signal);
    }
  }
}

function mayBeTriedAgain(error) {
  if (error instanceof Refused) return TRY_AGAIN.includes(error.status) || error.code === "request_in_flight";
  return error instanceof Unreachable;
}

/** Files alone go as a form, which no one has to hold in memory; beside URLs they go as base64. */
async function bodyOf(images, options) {
  const named = images.map(withName);
  if (named.every(({ blob }) => blob)) return { body: formOf(named, options), headers: {} };
  const body = JSON.stringify({ images: await Promise.all(named.map(asJson)), options });
  return { body, headers: { "Content-Type": "application/json" } };
}

function withName(image) {
  if (image instanceof Blob) return { blob: image, name: image.name };
  return typeof image === "string" || image instanceof URL ? { url: image } : image;
}

function formOf(images, options) {
  const form = new FormData();
  images.forEach(({ blob, name }, index) => form.append("images", blob, name ?? `image-${index}`));
  if (options) form.append("options", JSON.stringify(options));
  return form;
}

/** Browsers tell of a file that they can't read as of a network that is away: what was it? */
async function blame(error, body) {
  const files = error instanceof Unreachable && body instanceof FormData ? body.getAll("images") : [];
  for (const file of files) {
    const some = file.size ? file.slice(0, 1) : file; // One that is gone has no size, and of nothing nothing is read.
    await some.arrayBuffer().catch(unreadable(file.name));
  }
  throw error;
}

function unreadable(name) {
  return (cause) => {
    throw new Unreadable(`${name ?? "A file"} can't be read.`, { cause });
  };
}

async function asJson({ blob, url, name }) {
  return blob ? { base64: await base64Of(blob).catch(unreadable(name)), name } : { url: `${url}`, name };
}

async function base64Of(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const pieces = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    pieces.push(btoa(String.fromCharCode(...bytes.subarray(at, at + PIECE_BYTES))));
  }
  return pieces.join("");
}

/** A string of structured fields (RFC 9651). */
function quoted(text) {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** Not by randomUUID, which pages have only over https. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function within(seconds, signal) {
  const deadline = AbortSignal.timeout(1000 * seconds);
  return signal ? AbortSignal.any([signal, deadline]) : deadline;
}

function sleep(seconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      signal?.aborted ? reject(signal.reason) : resolve();
    };
    const timer = setTimeout(wake, 1000 * seconds);
    signal?.addEventListener("abort", wake);
  });
}
