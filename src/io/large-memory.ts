// mallopt(3): from how many bytes on memory comes from the system, and goes back to it when it is freed.
const mmapThreshold = -3;
const largeBytes = 128 * 1024;

let asked: Promise<void> | undefined;

/**
 * Has the C library give large pieces of memory back as soon as they are freed. By itself glibc stops doing so after
 * the first one: it keeps them for each thread, and what a build's threads have kept in the end is two hundred
 * megabytes. To be asked before work that takes many large buffers; where the C library is another one, nothing
 * happens.
 */
export function returnLargeMemory(): Promise<void> {
  asked ??= ask().catch(() => undefined);
  return asked;
}

async function ask(): Promise<void> {
  if (process.platform !== "linux") return;
  const { default: koffi } = await import("koffi");
  koffi.load(null).func("int mallopt(int, int)")(mmapThreshold, largeBytes);
}
