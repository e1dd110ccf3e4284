// The page at /docs: Swagger UI, which takes over the token of whoever signs up or in.
// It keeps the token in memory only: after a reload, sign in again.

"use strict";

const element = (id) => document.getElementById(id);

// What Swagger UI sends; whether it ever held; when it ends by this machine's clock.
let token = null;
let held = false;
let expiresAt = Infinity;

function show(state, text) {
  element("who").textContent = text;
  element("who").className = state;
  element("sign-in").hidden = state === "somebody";
  element("sign-in").textContent = state === "ended" ? "Sign in again" : "Sign in";
}

// Not preauthorizeApiKey, which goes past the plugin.
function authorize(value) {
  const schema = ui.specSelectors.specJson().getIn(["components", "securitySchemes", "bearer"]);
  ui.authActions.authorize({ bearer: { name: "bearer", schema: schema.toJS(), value } });
}

// What somebody pastes need not be a token of ours.
function claimsOf(text) {
  try {
    return JSON.parse(atob(text.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return {};
  }
}

function begin(text) {
  const { iat, exp } = claimsOf(text);
  token = text;
  held = false;
  // How long it lasts, not until when: the clocks may differ.
  expiresAt = exp && iat ? Date.now() + (exp - iat) * 1000 : Infinity;
  look();
}

function end(text) {
  ui.authActions.logout(["bearer"]);
  show("ended", text);
}

// Ask whether the token holds. Where the service does not say, what is shown stays.
async function look() {
  const asked = token;
  if (!asked) return;
  const headers = { Authorization: `Bearer ${asked}` };
  const response = await fetch("/v1/me", { headers }).catch(() => null);
  if (asked !== token) return;
  if (response?.status === 401) end(held ? "Your session has ended" : "This token is not valid");
  if (!response?.ok) return;
  const { role } = claimsOf(asked);
  held = true;
  show("somebody", role ? `Signed in, as ${role}` : "Signed in, in no family");
}

// Swagger UI's own filter knows tags only.
function opsFilter(tags, phrase) {
  const words = phrase.toLowerCase().split(/\s+/);
  const fits = (tag) => (item) => {
    const summary = item.getIn(["operation", "summary"]);
    const text = [tag, item.get("method"), item.get("path"), summary].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return tags
    .map((group, tag) => group.update("operations", (items) => items.filter(fits(tag))))
    .filter((group) => group.get("operations").size > 0);
}

const plugin = {
  components: { FilterContainer: () => null },
  fn: { opsFilter },
  statePlugins: {
    auth: {
      wrapActions: {
        authorize: (original) => (given) => {
          original(given);
          begin(given.bearer.value);
        },
        logout: (original) => (names) => {
          original(names);
          token = null;
          show("nobody", "Nobody is signed in");
        },
      },
    },
    layout: {
      // Its own way there ends below our header.
      wrapActions: { scrollToElement: () => (target) => target.scrollIntoView() },
    },
    spec: {
      wrapActions: {
        setResponse: (original) => (path, method, response) => {
          original(path, method, response);
          const status = response.status ?? response.err?.status;
          if (response.body?.access_token) authorize(response.body.access_token);
          else if (path === "/v1/auth/signout" && status === 204) end("You have signed out");
          // What was changed may be the session, the account or the role.
          else if (status === 401 || method !== "get") look();
        },
      },
    },
  },
};

const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  plugins: [plugin],
  syntaxHighlight: { theme: "nord" },
  tryItOutEnabled: true,
  validatorUrl: null,
});

function filter() {
  const phrase = element("filter").value.trim();
  ui.layoutActions.updateFilter(phrase);
  const groups = ui.specSelectors.taggedOperations();
  const found = groups.reduce((count, group) => count + group.get("operations").size, 0);
  element("found").textContent = phrase && (found ? `${found} found` : "Nothing found");
  document.body.classList.toggle("filtered", phrase !== "");
  scrollTo(0, 0);
}

element("filter").addEventListener("input", filter);

element("sign-in").addEventListener("click", () => {
  element("filter").value = "";
  filter();
  const signIn = ui.specSelectors.specJson().getIn(["paths", "/v1/auth/signin", "post"]);
  const place = [signIn.getIn(["tags", 0]), signIn.get("operationId")];
  ui.layoutActions.show(["operations-tag", place[0]], true);
  ui.layoutActions.show(["operations", ...place], true);
  // It may have been filtered away and come back only now.
  setTimeout(() => element(`operations-${place.join("-")}`).scrollIntoView());
});

// A timer alone would stand still while the machine sleeps.
setInterval(() => {
  if (token && Date.now() >= expiresAt) end("Your access token has expired");
}, 1000);
document.addEventListener("visibilitychange", () => document.hidden || look());

const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", dress);
dress();
