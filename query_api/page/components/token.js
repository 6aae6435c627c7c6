// Asks for the gateway's token, where one is required: once in a session.
import { html, useEffect, useRef } from "../vendor/htm-preact.js";
import { giveToken, token } from "../gateway.js";
import { useObservable } from "../observable.js";
import { settings } from "../query_api.js";

/** Whether commands wait for a token. */
export function useTokenWanted() {
  const { value, wanted } = useObservable(token);
  const known = useObservable(settings);
  return wanted || (known?.token_required === true && !value);
}

export function TokenForm() {
  const { reason } = useObservable(token);
  const box = useRef(null);
  useEffect(() => box.current.focus(), []);
  const submit = (event) => {
    event.preventDefault();
    const value = box.current.value.trim();
    if (value) giveToken(value);
  };
  return html`<form class="panel token-form" onSubmit=${submit}>
    <label for="token">Token of the gateway</label>
    <div class="token-row">
      <input id="token" ref=${box} type="password" autocomplete="off" maxlength="500" aria-describedby="token-note" />
      <button class="primary">Use it</button>
    </div>
    <p id="token-note" class="small quiet" role=${reason ? "alert" : undefined}>${reason && `${reason} `}Changes need a token. It is kept until this tab is closed.</p>
  </form>`;
}
