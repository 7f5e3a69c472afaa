import { headerOf } from "../http/index.ts";
import { WhittleError } from "../io/index.ts";
import type { Session } from "./session.ts";

// At a thousand tags each, more than any repository has.
const mostPages = 1000;

/** A list of a registry that comes in pages (distribution-spec, "Listing Tags", "Listing Referrers"). */
export interface PagedList {
  readonly session: Session;
  /** Below `/v2/`. */
  readonly first: string;
  readonly scopes: readonly string[];
  /** As the words after "Cannot". */
  readonly doing: string;
  /** Statuses that say that there is no such list. */
  readonly absent?: readonly number[];
  readonly signal: AbortSignal;
}

/**
 * The documents of a list, page after page; nothing in place of a list that is not there.
 *
 * @throws WhittleError `ARCHIVE_HOSTILE` when there is no end of them, `REGISTRY_REFUSED` when one is not JSON
 */
export async function* pagesOf(list: PagedList): AsyncGenerator<unknown, void, undefined> {
  let path: string | undefined = list.first;
  for (let pages = 1; path !== undefined; pages++) {
    if (pages > mostPages) {
      throw new WhittleError(
        "ARCHIVE_HOSTILE",
        `Cannot ${list.doing}: the list has more than ${mostPages} pages`,
      );
    }
    const page: Page = await pageAt(path, list);
    yield page.document;
    path = page.next;
  }
}

interface Page {
  readonly document?: unknown;
  readonly next?: string | undefined;
}

async function pageAt(
  path: string,
  { session, scopes, doing, absent = [], signal }: PagedList,
): Promise<Page> {
  const { answer, address, bytes } = await session.document({
    ...{ method: "GET", path, scopes, doing, expected: [200, ...absent], signal },
  });
  if (answer.statusCode !== 200) return {};
  try {
    const document: unknown = JSON.parse(bytes.toString("utf8"));
    return { document, next: nextPage(headerOf(answer, "link"), address) };
  } catch {
    throw new WhittleError("REGISTRY_REFUSED", `Cannot ${doing}: the answer is not JSON`);
  }
}

/** The address of the next page (RFC 8288), when it is on the same server. */
function nextPage(header: string | undefined, address: string): string | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(header ?? "")?.[1];
  if (target === undefined || !URL.canParse(target, address)) return undefined;
  const url = new URL(target, address);
  return url.origin === new URL(address).origin ? url.href : undefined;
}
