// Who uses the console, and what they may do: as the server says it. The server decides; here things are hidden.

import { get, request, requestJson } from "./api.js";

export class Account {
  me = null; // null: not known, and nothing is hidden

  constructor({ read = () => get("/v1/me") } = {}) {
    this.read = read;
  }

  /** Read who it is; where that fails nothing is hidden, and the server refuses what it must. */
  async load() {
    try {
      this.me = await this.read();
    } catch {
      this.me = null;
    }
  }

  forget() {
    this.me = null;
  }

  may(scope) {
    return !this.me || this.me.scopes.includes(scope);
  }

  /** Whether somebody signed in with the browser, not with a key. */
  get isPerson() {
    return this.me?.via === "session";
  }

  async switchTenant(tenant) {
    this.me = await requestJson("/v1/me/tenant", { method: "POST", json: { tenant } });
  }

  /** End the session; resolves to the address of the provider's own sign-out, null where there is none. */
  async signOut() {
    return (await (await request("/auth/logout", { method: "POST" })).json()).url;
  }
}

export const account = new Account();
