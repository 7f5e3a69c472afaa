export type { Resumable } from "./download.ts";
export { headerOf, resumed } from "./download.ts";
export { proxyAddress } from "./proxy.ts";
export type { Attempt, RetryPolicy } from "./retry.ts";
export { HttpStatus, networkError, pauseBeforeRetry, retrying, Transient } from "./retry.ts";
export type { Answer, Send, Sender, SendRequest, StreamedAnswer, TlsOptions } from "./send.ts";
export { openSender } from "./send.ts";
export type { Slots } from "./slots.ts";
export { slots } from "./slots.ts";
