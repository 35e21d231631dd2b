/** Types of batch.js. Interfaces are called as the schemas of the gateway's OpenAPI document; fields may be added. */

export type ImageSource = Blob | string | URL | { blob: Blob; name?: string } | { url: string | URL; name?: string };
export type Status = "pending" | "processing" | "completed" | "failed" | "cancelled";
export type Outcome = "all_completed" | "partial" | "all_failed" | "cancelled";
export type MetadataPolicy = "replace" | "append" | "keep";

export interface MetadataOptions {
  title?: MetadataPolicy;
  description?: MetadataPolicy;
  keywords?: MetadataPolicy;
}

export interface Metadata {
  title: string;
  description: string;
  keywords: string[];
  writer?: string;
}

export interface ImageReference {
  job_id: string;
  index: number;
}

export interface Image {
  index: number;
  original_filename: string;
  status: Status;
  trace_id: string;
  processed_path?: string;
  start_time?: string;
  end_time?: string;
  error?: string;
  code?: string;
  metadata?: Metadata;
  sha256?: string;
  reused_from?: ImageReference;
}

export interface CreatedBatch {
  job_id: string;
  status: Status;
  created_at: string;
  message: string;
  retry_of?: string;
}

/** How a job stands after an event, or now. */
export interface JobState {
  job_id: string;
  status: Status;
  total_images: number;
  completed: number;
  failed: number;
  cancelled?: number;
  progress: number;
}

export interface Batch extends JobState {
  outcome?: Outcome;
  images: Image[];
  options?: { metadata?: MetadataOptions };
  retry_of?: string;
  created_at: string;
  started_at?: string;
  updated_at: string;
  cancelled_at?: string;
  completed_at?: string;
  id: string;
}

/** A job as the list of all jobs shows it. */
export interface BatchSummary extends JobState {
  outcome?: Outcome;
  retry_of?: string;
  created_at: string;
  started_at?: string;
  updated_at: string;
  cancelled_at?: string;
  completed_at?: string;
}

/** The first event of each connection. With `resumed: false` it is the state in place of the events before it. */
export interface Opening extends JobState {
  type: "progress";
  id: string;
  timestamp: string;
  resumed: boolean;
  heartbeat_s: number;
  images?: Image[];
}

export interface Progress extends JobState {
  type: "progress";
  id: string;
  timestamp: string;
}

export interface ImageComplete extends JobState {
  type: "image_complete";
  id: string;
  timestamp: string;
  image: Image;
}

export interface JobComplete extends JobState {
  type: "job_complete";
  id: string;
  timestamp: string;
  outcome: Outcome;
}

export type JobEvent = Opening | Progress | ImageComplete | JobComplete;

/** The newest jobs, and how many there are. Only `resumed: true`, which has neither, goes on behind what was told. */
export interface Jobs {
  type: "jobs";
  job_id: "*";
  id: string;
  resumed: boolean;
  heartbeat_s: number;
  jobs?: BatchSummary[];
  total?: number;
}

export interface JobChanged {
  type: "job_changed";
  id: string;
  job: BatchSummary;
}

export interface JobDeleted {
  type: "job_deleted";
  id: string;
  job_id: string;
}

/** What a subscription to all jobs ("*") tells. */
export type JobsEvent = Jobs | JobChanged | JobDeleted;

export interface Fault {
  pointer: string;
  code: string;
  detail: string;
}

export type WaitReason = Refused | Unreachable | Closed;

/** Of calls that make a job, and are sent again until they are answered. */
export interface SendOptions {
  idempotencyKey?: string;
  patienceS?: number;
  signal?: AbortSignal;
  onWait?: (reason: WaitReason, pauseS: number) => void;
}

export interface SubmitOptions extends SendOptions {
  metadata?: MetadataOptions;
  strict?: boolean;
}

export interface RetryOptions extends SendOptions {
  indices?: Iterable<number>;
}

/** Where and how to begin with a job. */
export interface Subscription {
  after?: string;
  images?: boolean;
}

/** Of calls that come back to lost connections. `onWait` has a job's id where that job alone has to wait. */
export interface ComeBackOptions {
  signal?: AbortSignal;
  onWait?: (reason: WaitReason, pauseS: number, jobId?: string) => void;
  onOpen?: () => void;
}

export interface FollowOptions extends Subscription, ComeBackOptions {}

export interface FollowManyOptions extends ComeBackOptions {
  after?: Record<string, string>;
  images?: boolean;
  onLost?: (jobId: string, reason: Refused) => void;
}

export interface FollowAllOptions extends ComeBackOptions {
  after?: string;
}

/** Events of many jobs, and which jobs these are. */
export interface FollowedJobs extends AsyncGenerator<JobEvent | JobsEvent, void, void> {
  subscribe(jobId: string, subscription?: Subscription): void;
  unsubscribe(jobId: string): void;
}

export declare class BatchClient {
  constructor(baseUrl?: string | URL);
  submit(images: Iterable<ImageSource>, options?: SubmitOptions): Promise<CreatedBatch>;
  retry(jobId: string, options?: RetryOptions): Promise<CreatedBatch>;
  status(jobId: string, options?: { signal?: AbortSignal }): Promise<Batch>;
  imageUrl(jobId: string, index: number, which?: "processed" | "original"): string;
  follow(jobId: string, options?: FollowOptions): AsyncGenerator<JobEvent, void, void>;
  submitAndFollow(
    images: Iterable<ImageSource>,
    options?: SubmitOptions & FollowOptions,
  ): AsyncGenerator<JobEvent, void, void>;
  followMany(jobIds: Iterable<string>, options?: FollowManyOptions): FollowedJobs;
  followAll(options?: FollowAllOptions): AsyncGenerator<JobsEvent, void, void>;
}

export declare class Refused extends Error {
  constructor(status: number, told?: { code?: string; detail?: string; errors?: Fault[] }, retryAfterS?: number);
  readonly status: number;
  readonly code: string;
  readonly errors: Fault[];
  readonly retryAfterS: number | undefined;
}

export declare class Unreachable extends Error {}

export declare class Unreadable extends Error {}

export declare class Closed extends Error {
  constructor(code: number, reason: string);
  readonly code: number;
  readonly reason: string;
}

export declare function comesBack(code: number): boolean;

export declare function pauseAfter(
  failures: number,
  after?: { code?: number; retryAfterS?: number; random?: () => number },
): number;
