/** Statuses that the server itself answers with, and their titles (RFC 9110, section 15). */
export const problemTitles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  411: "Length Required",
  412: "Precondition Failed",
  414: "URI Too Long",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

const details: Readonly<Record<number, string>> = {
  404: "No file of the simulated API answers at this path.",
  405: "The simulated API has no answer to this method here; the Allow header names those that it has.",
};

/**
 * The body of a problem (RFC 9457). `about:blank` says that the status itself is all there is to say, and asks
 * for the status's own words as the title.
 */
export function problemBody(status: number): string {
  const detail = details[status];
  const problem = {
    type: "about:blank",
    title: problemTitles[status] ?? "Error",
    status,
    ...(detail === undefined ? {} : { detail }),
  };
  return `${JSON.stringify(problem, undefined, 2)}\n`;
}
