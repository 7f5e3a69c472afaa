/**
 * Has Node's pool of threads be larger than its four: what is written past the system's memory holds one of them for as
 * long as the disk takes, and whatever is hashed or read waits behind. To be asked before anything uses the pool; what
 * the person has chosen stands.
 */
export function widenThreadPool(threads: number): void {
  process.env["UV_THREADPOOL_SIZE"] ??= String(threads);
}
