/** Types of batch.js. The interfaces have the fields of the gateway's OpenAPI document; more may come with time. */

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

export interface NewJob {
  job_id: string;
  status: Status;
  created_at: string;
  message: string;
  retry_of?: string;
}

export interface Job {
  job_id: string;
  id?: string;
  status: Status;
  outcome?: Outcome;
  total_images: number;
  completed: number;
  failed: number;
  cancelled?: number;
  progress: number;
  images: Image[];
  options?: { metadata?: MetadataOptions };
  retry_of?: string;
  created_at: string;
  started_at?: string;
  updated_at: string;
  cancelled_at?: string;
  completed_at?: string;
}

export interface JobEvent {
  type: "progress" | "image_complete" | "job_complete";
  id: string;
  job_id: string;
  status: Status;
  outcome?: Outcome;
  progress: number;
  completed: number;
  failed: number;
  cancelled?: number;
  total_images: number;
  timestamp: string;
  image?: Image;
  resumed?: boolean;
  heartbeat_s?: number;
  images?: Image[];
}

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
  submit(images: Iterable<ImageSource>, options?: SubmitOptions): Promise<NewJob>;
  status(jobId: string, options?: { signal?: AbortSignal }): Promise<Job>;
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
