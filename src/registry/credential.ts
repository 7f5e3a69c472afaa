/** What a person shows to a registry. */
export type Credential =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** A refresh token that a token server changes for access (Docker's "identity token"). */
  | { readonly kind: "identity"; readonly token: string }
  /** A bearer token that is used as it is. */
  | { readonly kind: "bearer"; readonly token: string };

/** The value of an Authorization header for a name and a password (RFC 7617). */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}
