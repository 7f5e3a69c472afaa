import type { Content, Digest } from "../io/index.ts";

// A few packages have so many texts that are read; of what is beyond that, the oldest is worked out again.
const most = 4096;

/**
 * Makes a value of a content once and remembers it: by the bytes where their digest is known, since packages for
 * several architectures have the same texts, else as long as the content lives. A failure is not remembered.
 */
export function perContent<V>(make: (content: Content) => Promise<V>): (content: Content) => Promise<V> {
  const byDigest = new Map<Digest, Promise<V>>();
  const byContent = new WeakMap<Content, Promise<V>>();
  return (content) => {
    const { digest } = content;
    const known = digest === undefined ? byContent.get(content) : byDigest.get(digest);
    if (known !== undefined) return known;
    const making = make(content);
    if (digest === undefined) byContent.set(content, making);
    else {
      const [oldest] = byDigest.keys();
      if (oldest !== undefined && byDigest.size >= most) byDigest.delete(oldest);
      byDigest.set(digest, making);
    }
    making.catch(() => (digest === undefined ? byContent.delete(content) : byDigest.delete(digest)));
    return making;
  };
}
