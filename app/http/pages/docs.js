// The page at /docs: Swagger UI, which takes over the token of whoever signs up or in.
// It keeps the token in memory only: after a reload, sign in again.

"use strict";

const who = document.getElementById("who");

function signedIn(answer) {
  ui.preauthorizeApiKey("bearer", answer.access_token);
  who.textContent = answer.family_id ? `Signed in, as ${answer.role}` : "Signed in, in no family";
  who.className = "somebody";
}

function signedOut() {
  ui.authActions.logout(["bearer"]);
  who.textContent = "Nobody is signed in";
  who.className = "nobody";
}

const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  syntaxHighlight: { theme: "nord" },
  tryItOutEnabled: true,
  validatorUrl: null,
  responseInterceptor(response) {
    const answer = response.body ?? response.obj;
    if (response.ok && answer?.access_token) signedIn(answer);
    if (response.ok && response.url.endsWith("/v1/auth/signout")) signedOut();
    return response;
  },
});
