// @ts-self-types="./batch.d.ts"
/**
 * A client of the batch gateway for browsers and for Node.js from version 22 on: it sends images and follows what becomes
 * of them, over as many connections as it takes: by WebSocket, or by server-sent events where a proxy lets none through.
 * No dependency, nothing to build:
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
const MISSED_HEARTBEATS = 2.5; // After so many a connection is dead, though nothing says so.
const OPENING_S = 8; // The first message of a WebSocket is awaited so long, until it is known that any get through.
const BLOCKED_TRIES = 3; // WebSockets in a row that brought nothing, though the gateway had nothing against them.
const SILENT_TRY = 1.5; // So many tries one counts for that was awaited in vain: of these two are enough.
const BLOCKED_TRIES_LATER = 10; // The same where some got through before: computers are taken to other networks.
const MOST_UNANSWERED = 50; // Jobs that are asked for on one connection. Who asks on and does not listen is a slow reader.
const LONGEST_TIMER_MS = 2 ** 31 - 1; // One that is longer goes off at once.
const PIECE_BYTES = 32_766; // A multiple of three: pieces of base64 can be put together.

const ENDED = 1000;
const AWAY = 1001;
const LEAVING = [AWAY, 1012];
const OVERLOADED = 1013;
const NO_CLOSE_FRAME = 1006;
const NO_JSON = 1007;
const DELETED = 4500;
const FOR_GOOD = [ENDED, 1002, 1003, NO_JSON, 1008, 1009, 1010];
const UPGRADE_REQUIRED = 426;
const TRY_AGAIN = [429, 502, 503, 504];
const NO_GATEWAY = [404, 405, 501]; // By who answers in its place while it is away, in none of its words.
const STATUS_OF = { job_not_found: 404, too_many_subscriptions: 429, unavailable: 503 }; // What HTTP would say.

const EVENT_STREAM = "text/event-stream";
const ALL_JOBS = "*";
const OF_ALL_JOBS = ["jobs", "job_changed", "job_deleted"];

/** The gateway says no. `code` is a stable word, the message a text for people, `errors` the faults in detail. */
export class Refused extends Error {
  name = "Refused";

  constructor(status, { code = "", detail = `HTTP status ${status}, in none of the gateway's words.`, errors = [] } = {}, retryAfterS) {
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
  #way;

  /** `baseUrl` is where the gateway is, below a path too. By default it is the one that this module came from. */
  constructor(baseUrl = new URL("..", import.meta.url)) {
    this.#baseUrl = new URL(baseUrl, globalThis.location?.href);
    if (!this.#baseUrl.protocol.startsWith("http")) throw new TypeError("no address of a gateway, http://... or https://...");
    if (!this.#baseUrl.pathname.endsWith("/")) this.#baseUrl.pathname += "/";
    this.#way = wayTo(this.#baseUrl);
  }

  /**
   * Sends a batch: Blobs, Files and URLs, or `{ blob, name }` and `{ url, name }` to give names.
   *
   * Files stream from disk; beside URLs they are held in memory as base64. It is sent again while the gateway is busy or
   * away, for `patienceS` after the first failure, and is one job all the same: each try has the same idempotency key.
   * `onWait` is told each time why it waits, and for how many seconds.
   */
  async submit(images, { metadata, strict = false, ...options } = {}) {
    const url = this.#url("batch", strict ? { strict: "true" } : {});
    return post(url, await bodyOf([...images], metadata && { metadata }), options);
  }

  /**
   * Tries failed images of a job again, as a new job and without sending them anew: those of `indices`, or all that can be.
   * It is sent again as `submit` is.
   */
  async retry(jobId, { indices, ...options } = {}) {
    return post(this.#url(`${pathOf(jobId)}/retry`), indices ? asJson({ images: [...indices] }) : {}, options);
  }

  /** The job as it is now, with all its images. */
  async status(jobId, { signal } = {}) {
    return answerOf(this.#url(pathOf(jobId)), { signal }, ANSWER_S);
  }

  /** Where an image's bytes are: its tagged copy (`processed`), or what was sent (`original`). */
  imageUrl(jobId, index, which = "processed") {
    return this.#url(`${pathOf(jobId)}/images/${index}/${which}`).href;
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
  follow(jobId, { after, images, ...options } = {}) {
    return this.#follow(new OneJob(jobId, { after, images }), options);
  }

  /** `submit`, then `follow` from the first event on: each image's end comes exactly once. */
  async *submitAndFollow(images, options = {}) {
    const { job_id: jobId } = await this.submit(images, options);
    yield* this.follow(jobId, { after: "0", ...options });
  }

  /**
   * The events of many jobs over one WebSocket, each as `follow` tells them, until there is no job left to follow.
   *
   * `after` has, by the id of a job, the id of the event to go on behind. What is returned has `subscribe(jobId, { after,
   * images })` and `unsubscribe(jobId)` as well, to be called at any time before its end. A job that can't be followed now is
   * asked for again after a pause, of which `onWait` is told with the job's id; one that is not there is told to
   * `onLost(jobId, refused)`, without which that is thrown. The others go on. "*" is all jobs: see `followAll`.
   */
  followMany(jobIds, { after = {}, images, onLost, ...options } = {}) {
    const jobs = new ManyJobs({ onLost, onWait: options.onWait });
    const positions = new Map(Object.entries(after).map(([jobId, id]) => [jobId.toLowerCase(), id]));
    for (const jobId of jobIds) jobs.subscribe(jobId, { after: positions.get(jobId.toLowerCase()), images });
    return Object.assign(this.#follow(jobs, options), {
      subscribe: (jobId, subscription) => jobs.subscribe(jobId, subscription),
      unsubscribe: (jobId) => jobs.unsubscribe(jobId),
    });
  }

  /**
   * The newest jobs, then each one that comes in, changes or is deleted, for ever. What says `resumed: false` takes the place
   * of all that was told, as after a restart of the gateway.
   */
  followAll({ after, ...options } = {}) {
    return this.followMany([ALL_JOBS], { after: after && { [ALL_JOBS]: after }, ...options });
  }

  /** What is news, over one connection after another. */
  async *#follow(followed, { signal, onWait = () => {}, onOpen = () => {} }) {
    const passage = new Passage(this.#way, followed.doors, (path) => this.#url(path, followed.query));
    for (let failures = 0; !followed.isOver; failures++) {
      signal?.throwIfAborted();
      const connection = passage.connect();
      followed.begin(connection);
      let isFirst = true;
      for await (const message of connection.messages(() => followed.isOver, signal)) {
        if (isFirst) {
          passage.opened();
          onOpen();
        }
        isFirst = false;
        if (!followed.isNews(message)) continue;
        failures = 0;
        yield message;
      }
      if (followed.isOver) return;
      const reason = await passage.reasonOf(connection, signal);
      const pauseS = pauseAfter(failures, { code: connection.closed.code, retryAfterS: reason.retryAfterS });
      onWait(reason, pauseS);
      if (!followed.isOver) await sleep(pauseS, signal, connection);
    }
  }

  #url(path, query = {}) {
    const url = new URL(`api/v1/${path}`, this.#baseUrl);
    url.search = new URLSearchParams(query);
    return url;
  }
}

function pathOf(jobId) {
  return `batch/${encodeURIComponent(jobId)}`;
}

/** One job, at whichever door. */
class OneJob {
  isOver = false;
  doors;
  #told;
  #images;

  constructor(jobId, { after, images = false }) {
    this.doors = { webSocket: `${pathOf(jobId)}/ws`, events: `${pathOf(jobId)}/events` };
    this.#told = new Told(after);
    this.#images = images;
  }

  get query() {
    return { ...(this.#told.position && { after: this.#told.position }), ...(this.#images && { images: "true" }) };
  }

  begin() {}

  isNews(event) {
    if (event.id === undefined || !this.#told.isNews(event)) return false;
    this.isOver = event.type === "job_complete";
    return true;
  }
}

/** Many jobs, or all ("*"), on one WebSocket after another. Each has its own position, and its own pauses. */
class ManyJobs {
  doors = { webSocket: "ws" };
  query = {};
  #jobs = new Map();
  #turns;
  #onLost;
  #onWait;

  constructor({ onLost = throwIt, onWait = () => {} }) {
    this.#onLost = onLost;
    this.#onWait = onWait;
  }

  get isOver() {
    return !this.#jobs.size;
  }

  subscribe(jobId, { after, images = false } = {}) {
    const id = jobId.toLowerCase(); // As the gateway names it.
    if (this.#jobs.has(id)) return;
    this.#jobs.set(id, { told: new Told(after), images: images && id !== ALL_JOBS, failures: 0 }); // The list has none.
    this.#turns?.want(id);
  }

  unsubscribe(jobId) {
    const id = jobId.toLowerCase();
    if (this.#jobs.delete(id)) this.#turns?.leave(id);
  }

  begin(connection) {
    this.#turns = new Turns(connection, this.#jobs);
  }

  isNews(message) {
    const { type, id } = message;
    if (type === "error") this.#mind(message);
    if (type === "subscribed" || type === "unsubscribed") this.#turns.answered(message.job_id);
    const jobId = OF_ALL_JOBS.includes(type) ? ALL_JOBS : message.job_id;
    const job = this.#jobs.get(jobId);
    if (id === undefined || !job || this.#turns.isUnanswered(jobId) || !job.told.isNews(message)) return false;
    job.failures = 0;
    if (type === "job_complete") this.#end(jobId);
    return true;
  }

  #mind({ code, error: detail, job_id: named }) {
    const jobId = named?.toLowerCase();
    this.#turns.answered(jobId);
    const job = this.#jobs.get(jobId);
    const isOld = named !== undefined && !job; // Of a job that was left meanwhile.
    if (isOld || code === "already_subscribed" || code === "not_subscribed") return;
    const refused = new Refused(STATUS_OF[code] ?? 400, { code, detail });
    if (code === "job_not_found") {
      this.#end(jobId);
      this.#onLost(jobId, refused);
    } else if (job && TRY_AGAIN.includes(refused.status)) {
      const pauseS = pauseAfter(job.failures++, { code: OVERLOADED });
      if (code === "too_many_subscriptions") this.#turns.putOff(jobId, pauseS);
      else this.#turns.later(jobId, pauseS);
      this.#onWait(refused, pauseS, jobId);
    } else throw refused;
  }

  #end(jobId) {
    this.#jobs.delete(jobId);
    this.#turns.ended(jobId);
  }
}

function throwIt(_, error) {
  throw error;
}

/**
 * Which of many jobs are subscribed to on one connection, and which have yet to be.
 *
 * Where a gateway allows fewer jobs on a connection than there are, the others get their turn as jobs end. What comes of a
 * job while an answer about it is still to come belongs to a subscription that was left.
 */
class Turns {
  #connection;
  #jobs;
  #waiting;
  #subscribed = new Set(); // Asked for, and neither refused nor over since.
  #unanswered = new Map(); // By job, how many answers are to come.
  #mostUnanswered = MOST_UNANSWERED;
  #isFull = false;
  #looksAgain = false;

  constructor(connection, jobs) {
    this.#connection = connection;
    this.#jobs = jobs;
    this.#waiting = [...jobs.keys()];
    connection.onUp = () => this.#goOn();
  }

  isUnanswered(jobId) {
    return this.#unanswered.has(jobId);
  }

  want(jobId) {
    this.#waiting.push(jobId);
    this.#goOn();
  }

  /** Nobody wants to know of it any more. If of no other job either, there is nothing to wait for. */
  leave(jobId) {
    if (this.#subscribed.has(jobId) && this.#connection.isUp) this.#say(jobId, { type: "unsubscribe" });
    this.ended(jobId);
    if (!this.#jobs.size) this.#connection.wake();
  }

  answered(jobId) {
    const left = this.#unanswered.get(jobId) - 1;
    if (left > 0) this.#unanswered.set(jobId, left);
    else this.#unanswered.delete(jobId);
    this.#goOn();
  }

  /** The gateway does not tell of it any more, so there is room for another one. */
  ended(jobId) {
    this.#subscribed.delete(jobId);
    this.#makeRoom();
  }

  /** It is not followed, or no longer, and asked for again then. */
  later(jobId, pauseS) {
    this.#subscribed.delete(jobId);
    this.#connection.later(pauseS, () => this.want(jobId));
  }

  /** There is no room. It is asked for again when another one has ended, or later; and so are all others, one at a time. */
  putOff(jobId, pauseS) {
    this.#subscribed.delete(jobId);
    this.#waiting.push(jobId);
    this.#isFull = true;
    this.#mostUnanswered = 1;
    if (this.#looksAgain) return;
    this.#looksAgain = true;
    this.#connection.later(pauseS, () => {
      this.#looksAgain = false;
      this.#makeRoom();
    });
  }

  #makeRoom() {
    this.#isFull = false;
    this.#goOn();
  }

  #goOn() {
    while (this.#connection.isUp && !this.#isFull && this.#unanswered.size < this.#mostUnanswered && this.#waiting.length) {
      const jobId = this.#waiting.shift();
      const job = this.#jobs.get(jobId);
      if (!job || this.#subscribed.has(jobId)) continue;
      this.#subscribed.add(jobId);
      const { told, images } = job;
      this.#say(jobId, { type: "subscribe", ...(told.position && { after: told.position }), ...(images && { images }) });
    }
  }

  #say(jobId, message) {
    this.#unanswered.set(jobId, (this.#unanswered.get(jobId) ?? 0) + 1);
    this.#connection.send({ ...message, job_id: jobId });
  }
}

/** What was told of one job, so that nothing is told twice. `position` is the id of the last event: where to go on. */
class Told {
  position;
  #hasBegun = false;
  #ended = new Set();

  constructor(position = "") {
    this.position = position;
  }

  /** Whether to tell what came. From then on it is told. */
  isNews(event) {
    if (this.#hasBegun && this.#isRepeat(event)) return false;
    this.#hasBegun = true;
    this.position = event.id;
    const { image, images } = event;
    if (this.#ended.has(image?.index)) return false;
    if (images) this.#ended = new Set(images.filter(hasEnded).map(({ index }) => index));
    if (image) this.#ended.add(image.index);
    return true;
  }

  /** As heartbeats are, and the opening of a connection that goes on where the last one ended. */
  #isRepeat({ type, id, resumed }) {
    return type !== "job_complete" && resumed !== false && (id === this.position || isEarlier(id, this.position));
  }
}

/** Of ids `epoch:number`. Those of different epochs have no order. */
function isEarlier(id, other) {
  const [epoch, number] = id.split(":");
  const [otherEpoch, otherNumber] = other.split(":");
  return epoch === otherEpoch && Number(number) < Number(otherNumber);
}

function hasEnded({ status }) {
  return status !== "pending" && status !== "processing";
}

const ways = new Map();

/** What the page knows of WebSockets to a gateway, all its clients together and for as long as it lives. */
function wayTo({ href }) {
  if (!ways.has(href)) ways.set(href, { isProven: false, isBlocked: false });
  return ways.get(href);
}

/**
 * How one call gets at its events: by WebSocket, or by server-sent events where a proxy lets no WebSocket through.
 *
 * A script learns that a WebSocket was not opened, and never why. So the same address is asked by a plain GET, which is
 * refused for the same reason, and answered 426 if there is none. Several such answers in a row mean that the way is
 * blocked; a single one may be due to a gateway that was away a moment ago.
 */
class Passage {
  #way;
  #doors;
  #urlOf;
  #blockedTries = 0;
  #hasOpened = false;

  constructor(way, doors, urlOf) {
    this.#way = way;
    this.#doors = doors;
    this.#urlOf = urlOf;
  }

  connect() {
    if (this.#isByEvents) return new Connection(eventStream(this.#urlOf(this.#doors.events)));
    const isInDoubt = !this.#way.isProven && this.#doors.events !== undefined;
    return new Connection(webSocket(this.#urlOf(this.#doors.webSocket)), isInDoubt ? OPENING_S : undefined);
  }

  /** The connection has brought something. */
  opened() {
    this.#hasOpened = true;
    if (!this.#isByEvents) this.#way.isProven = true;
  }

  /** Why the connection has ended, or was none. Throws it where coming back is of no use. */
  async reasonOf(connection, signal) {
    const { closed } = connection;
    if (closed.code === DELETED) throw new Refused(404, { code: "job_not_found", detail: "The job was deleted." });
    if (!comesBack(closed.code)) throw closed;
    const refusal = await this.#refusalOf(connection, signal);
    if (refusal && !this.#mayPass(refusal)) throw refusal;
    return refusal ?? closed;
  }

  #mayPass({ status, code }) {
    return TRY_AGAIN.includes(status) || (this.#hasOpened && !code && NO_GATEWAY.includes(status));
  }

  /** Why there was no connection; undefined if there was one, or if the gateway has nothing against it. */
  async #refusalOf({ isHeard, isSilent, closed, refusal }, signal) {
    const wasOpened = isHeard || closed.code !== NO_CLOSE_FRAME;
    if (wasOpened) this.#blockedTries = 0;
    if (wasOpened || this.#isByEvents) return refusal;
    const answer = await refusalBy(this.#urlOf(this.#doors.webSocket), signal);
    const isWelcome = answer?.status === UPGRADE_REQUIRED;
    this.#note(isWelcome, isSilent);
    return isWelcome ? undefined : answer;
  }

  get #isByEvents() {
    return this.#way.isBlocked && this.#doors.events !== undefined;
  }

  /** A WebSocket that brought nothing; whether the gateway, asked without one, was there and had nothing against it. */
  #note(isWelcome, isSilent) {
    const { isProven } = this.#way;
    this.#blockedTries = isWelcome ? this.#blockedTries + (isSilent && !isProven ? SILENT_TRY : 1) : 0;
    this.#way.isBlocked ||= this.#blockedTries >= (isProven ? BLOCKED_TRIES_LATER : BLOCKED_TRIES);
  }
}

/** What the gateway says of an address; undefined if nobody answers. */
async function refusalBy(url, signal) {
  try {
    await answerOf(url, { signal }, ANSWER_S);
  } catch (error) {
    signal?.throwIfAborted();
    return error instanceof Refused ? error : undefined;
  }
}

/**
 * One connection through a door: its messages in order, and in the end `closed`, the Closed that it ended with.
 *
 * A door is a function of `up`, `take` and `end`: it calls `up` with what sends a text, if that can be, `take` with each text
 * that comes, and `end` with a close code and words, or with the Refused in place of a connection. It returns what leaves.
 */
class Connection {
  closed;
  refusal;
  isUp = false;
  isHeard = false;
  isSilent = false;
  onUp = () => {};
  wake = () => {};
  #leave;
  #send;
  #waiting = new Map();
  #order; // Of what is waiting: an iterator, for each that begins at the front passes all that was taken from there.
  #heartbeatS = HEARTBEAT_S;
  #watch;
  #timers = new Set();

  constructor(door, openingS = MISSED_HEARTBEATS * HEARTBEAT_S) {
    this.#leave = door({
      up: (send) => this.#up(send),
      take: (text) => this.#take(text),
      end: (code, reason, refusal) => this.end(code, reason, refusal),
    });
    this.#listen(openingS);
  }

  send(message) {
    this.#send(JSON.stringify(message));
  }

  /** Calls it then, unless the connection has ended. */
  later(pauseS, call) {
    if (this.closed) return;
    const timer = alarm(pauseS, () => {
      this.#timers.delete(timer);
      call();
    });
    this.#timers.add(timer);
  }

  /** Until the connection ends, for which it is a reason as well that it is over, or that the loop is left. */
  async *messages(isOver, signal) {
    const wake = () => this.wake();
    signal?.addEventListener("abort", wake);
    try {
      for (;;) {
        signal?.throwIfAborted();
        if (isOver()) return;
        if (this.#waiting.size) yield this.#next();
        else if (this.closed) return;
        else await new Promise((resolve) => (this.wake = resolve));
      }
    } finally {
      signal?.removeEventListener("abort", wake);
      this.end(ENDED);
    }
  }

  /** Without waiting for the other side, which may be gone: a browser would take its time to find that out. */
  end(code, reason = "", refusal = undefined) {
    if (this.closed) return;
    this.closed = new Closed(code, reason);
    this.refusal = refusal;
    this.isUp = false;
    clearTimeout(this.#watch);
    this.#timers.forEach(clearTimeout);
    this.#leave();
    this.wake();
  }

  #up(send) {
    this.#send = send;
    this.isUp = true;
    this.onUp();
  }

  #take(text) {
    if (this.closed) return; // What had come with the last one.
    const message = parsed(text);
    if (!message) return this.end(NO_JSON, "a message that is no JSON object");
    if (message.heartbeat_s > 0) this.#heartbeatS = message.heartbeat_s;
    this.#listen(MISSED_HEARTBEATS * this.#heartbeatS);
    this.isHeard = true;
    const slot = slotOf(message) ?? Symbol();
    if (this.#waiting.delete(slot)) this.#order = undefined; // One that stands still keeps a trace of each state that gave way.
    this.#waiting.set(slot, message);
    this.wake();
  }

  #next() {
    this.#order ??= this.#waiting.entries();
    const [slot, message] = this.#order.next().value;
    this.#waiting.delete(slot);
    return message;
  }

  #listen(silenceS) {
    clearTimeout(this.#watch);
    this.#watch = alarm(silenceS, () => {
      this.isSilent = true;
      this.end(NO_CLOSE_FRAME, `silence for ${silenceS} s`);
    });
  }
}

/** A state gives way to a newer one that comes while it waits for a slow caller: those of which only the last one counts. */
function slotOf({ type, job_id: jobId, job, resumed }) {
  if (type === "progress" && resumed === undefined) return `progress ${jobId}`;
  if (type === "job_changed") return `state ${job.job_id}`;
  if (type === "job_deleted") return `state ${jobId}`;
  return type === "heartbeat" ? type : undefined;
}

function webSocket(url) {
  const address = new URL(url);
  address.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return ({ up, take, end }) => {
    const socket = new WebSocket(address);
    socket.onopen = () => up((text) => socket.send(text));
    socket.onmessage = ({ data }) => take(data);
    socket.onclose = ({ code, reason }) => end(code, reason);
    socket.onerror = () => end(NO_CLOSE_FRAME); // Of one that is not opened some versions of Node.js tell no more.
    return () => {
      socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
    };
  };
}

/** Server-sent events: the messages of a job's WebSocket, as an answer that goes on. */
function eventStream(url) {
  return ({ take, end }) => {
    const controller = new AbortController();
    takeEvents(url, take, controller.signal).then(
      (code) => end(code, "the answer ended"),
      (error) => end(NO_CLOSE_FRAME, error.message, error instanceof Refused ? error : undefined),
    );
    return () => controller.abort();
  };
}

/** To the end of the answer, as the close code that it is as good as. */
async function takeEvents(url, take, signal) {
  const answer = await fetch(url, { headers: { Accept: EVENT_STREAM }, cache: "no-store", signal });
  // A job that has ended and all was told of: there is nothing behind that, so it tells its state and its end again.
  if (answer.status === 204 && url.searchParams.has("after")) return takeEvents(without(url, "after"), take, signal);
  const isStream = answer.ok && answer.headers.get("Content-Type")?.startsWith(EVENT_STREAM);
  if (!isStream) throw refusedBy(answer, parsed(await answer.text()));
  let code = NO_CLOSE_FRAME;
  let data = "";
  let hasBegun = false;
  for await (const line of linesOf(answer.body)) {
    if (line.startsWith("data:")) data += `${line.slice(5)}\n`;
    else if (line.startsWith("retry:") && hasBegun) code = AWAY; // Said once more by a gateway that sends everybody away.
    else if (!line && data) {
      hasBegun = true;
      take(data);
      data = "";
    }
  }
  return code;
}

async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r\n|\n|\r/);
    rest = lines.pop();
    yield* lines;
  }
}

function without(url, name) {
  const other = new URL(url);
  other.searchParams.delete(name);
  return other;
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
  throw refusedBy(answer, told);
}

function refusedBy({ status, headers }, told) {
  return new Refused(status, told ?? undefined, secondsOf(headers.get("Retry-After")));
}

function secondsOf(retryAfter) {
  return /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) : undefined;
}

/** Sends a body that makes a job, as often as it takes, for the gateway takes it once. */
async function post(url, { body, headers }, { idempotencyKey = newKey(), patienceS = 60, signal, onWait }) {
  const request = { method: "POST", body, headers: { ...headers, "Idempotency-Key": quoted(idempotencyKey) }, signal };
  const send = () => answerOf(url, request).catch((error) => blame(error, body));
  return untilAnswered(send, { patienceS, signal, onWait });
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
  if (named.every(({ blob }) => blob)) return { body: formOf(named, options) };
  return asJson({ images: await Promise.all(named.map(asFields)), options });
}

function asJson(value) {
  return { body: JSON.stringify(value), headers: { "Content-Type": "application/json" } };
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

async function asFields({ blob, url, name }) {
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

function alarm(seconds, call) {
  return setTimeout(call, Math.min(1000 * seconds, LONGEST_TIMER_MS));
}

/** Until its time, or until `sleeper.wake` is called. */
function sleep(seconds, signal, sleeper = {}) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      signal?.aborted ? reject(signal.reason) : resolve();
    };
    const timer = alarm(seconds, wake);
    sleeper.wake = wake;
    signal?.addEventListener("abort", wake);
  });
}
