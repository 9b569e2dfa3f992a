import { InMemoryWebStorage, type User, UserManager, WebStorageStateStore } from "oidc-client-ts";

/** Where people sign in: the content of `config.json`, which whoever serves the console writes. */
export interface SignInConfig {
  /** Issuer of the tokens. */
  issuer: string;
  /** Base address of the sign-in pages. */
  signIn: string;
  clientId: string;
}

const SCOPE = "openid email audiences/api";

/**
 * A person's session: the authorization code flow with PKCE. Tokens stay in memory; only the state of a sign-in under
 * way (the PKCE verifier, and where to return to) is in this tab's session storage, because a redirect ends the page.
 */
export class Session {
  readonly #manager: UserManager;
  readonly #config: SignInConfig;
  #user: User | null = null;

  constructor(config: SignInConfig) {
    const home = `${window.location.origin}/`;
    this.#config = config;
    this.#manager = new UserManager({
      authority: config.issuer,
      metadata: {
        issuer: config.issuer,
        authorization_endpoint: `${config.signIn}/oauth2/authorize`,
        token_endpoint: `${config.signIn}/oauth2/token`,
        end_session_endpoint: `${config.signIn}/logout`,
      },
      client_id: config.clientId,
      redirect_uri: home,
      scope: SCOPE,
      automaticSilentRenew: true,
      userStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
      stateStore: new WebStorageStateStore({ store: window.sessionStorage }),
    });
    this.#manager.events.addUserLoaded((user) => {
      this.#user = user;
    });
    this.#manager.events.addAccessTokenExpired(() => void this.signIn());
  }

  /** Finish a sign-in that led here; else begin one. False when the browser is on its way to the sign-in page. */
  async begin(): Promise<boolean> {
    const query = new URLSearchParams(window.location.search);
    if (query.has("state") && (query.has("code") || query.has("error"))) {
      this.#user = await this.#manager.signinCallback().then((user) => user ?? null);
      const back = this.#user?.state;
      window.history.replaceState(null, "", isPath(back) ? back : "/");
      return this.#user !== null;
    }
    await this.signIn();
    return false;
  }

  /** Go to the sign-in page, and come back to where we are. */
  async signIn(): Promise<void> {
    const { pathname, search } = window.location;
    await this.#manager.signinRedirect({ state: `${pathname}${search}` });
  }

  async signOut(): Promise<void> {
    await this.#manager.removeUser();
    const query = new URLSearchParams({
      client_id: this.#config.clientId,
      logout_uri: `${window.location.origin}/`,
    });
    window.location.assign(`${this.#config.signIn}/logout?${query}`);
  }

  get token(): string {
    return this.#user?.access_token ?? "";
  }

  get email(): string {
    return this.#user?.profile.email ?? "";
  }
}

/** A path of this origin: what a state from elsewhere could hold must not lead away. */
function isPath(value: unknown): value is string {
  return typeof value === "string" && /^\/(?![/\\])/.test(value);
}

export async function readConfig(): Promise<SignInConfig> {
  const answer = await fetch("/config.json");
  if (!answer.ok) throw new Error(`The console has no settings (config.json: ${answer.status}).`);
  return (await answer.json()) as SignInConfig;
}
