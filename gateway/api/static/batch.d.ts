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

export interface Fault {
  pointer: string;
  code: string;
  detail: string;
}

export type WaitReason = Refused | Unreachable | Closed;

export interface SubmitOptions {
  metadata?: MetadataOptions;
  strict?: boolean;
  idempotencyKey?: string;
  patienceS?: number;
  signal?: AbortSignal;
  onWait?: (reason: WaitReason, pauseS: number) => void;
}

export interface FollowOptions {
  after?: string;
  images?: boolean;
  signal?: AbortSignal;
  onWait?: (reason: WaitReason, pauseS: number) => void;
  onOpen?: () => void;
}

export declare class BatchClient {
  constructor(baseUrl?: string | URL);
  submit(images: Iterable<ImageSource>, options?: SubmitOptions): Promise<CreatedBatch>;
  status(jobId: string, options?: { signal?: AbortSignal }): Promise<Batch>;
  imageUrl(jobId: string, index: number, which?: "processed" | "original"): string;
  follow(jobId: string, options?: FollowOptions): AsyncGenerator<JobEvent, void, void>;
  submitAndFollow(
    images: Iterable<ImageSource>,
    options?: SubmitOptions & FollowOptions,
  ): AsyncGenerator<JobEvent, void, void>;
}

export declare class Refused extends Error {
  constructor(status: number, told?: { code?: string; detail?: string; errors?: Fault[] }, retryAfterS?: number);
  readonly status: number;
  readonly code: string;
  readonly errors: Fault[];
  readonly retryAfterS?: number;
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
