import { clearSession, goToSignIn, readSession, writeSession } from './session.js';

const BASE = '/api';

/** A refused or failed call: `status` 0 means that no answer came. */
export class ApiError extends Error {
  /**
   * @param {string} message sentence for people
   * @param {{status: number, code: string, details?: any, requestId?: string|null}} facts
   */
  constructor(message, { status, code, details = null, requestId = null }) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.details = details;
    this.requestId = requestId;
  }

  /** True when trying again later may help. */
  get isTransient() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

let refreshing = null;

/** One refresh serves every call that found its token expired. */
function refreshSession() {
  refreshing ??= exchangeRefreshToken().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function exchangeRefreshToken() {
  const session = readSession();
  if (!session?.refresh_token) return false;
  const reply = await attempt('POST', '/session/refresh', { body: { refresh_token: session.refresh_token }, anonymous: true });
  // Only a clear no ends the session; a busy service must not sign people out.
  if (reply.status === 429 || reply.status >= 500) throw await toError(reply);
  if (!reply.ok) return false;
  const { data } = await reply.json();
  writeSession({ ...session, ...data, refresh_token: data.refresh_token ?? session.refresh_token });
  return true;
}

function send(method, path, { body, signal, anonymous, idempotencyKey }) {
  const headers = { accept: 'application/json' };
  const token = readSession()?.access_token;
  if (token && !anonymous) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (idempotencyKey) headers['idempotency-key'] = idempotencyKey;
  return fetch(BASE + path, {
    method,
    headers,
    signal,
    cache: 'no-store',
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

async function toError(response) {
  let envelope = {};
  try {
    envelope = await response.json();
  } catch {
    // Proxies answer with HTML at times; the status alone must do then.
  }
  const message = envelope.error ?? `The service answered ${response.status}. Try again in a moment.`;
  return new ApiError(message, {
    status: response.status,
    code: envelope.code ?? `http_${response.status}`,
    details: envelope.details ?? null,
    requestId: envelope.request_id ?? null,
  });
}

async function attempt(method, path, options) {
  try {
    return await send(method, path, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('Unable to reach the service. Check your connection.', { status: 0, code: 'network' });
  }
}

/**
 * Calls the API and returns `data` of its envelope.
 * @param {string} method
 * @param {string} path path below /api, with its query
 * @param {{body?: any, signal?: AbortSignal, anonymous?: boolean, idempotencyKey?: string}} [options]
 * @returns {Promise<any>} `null` for an empty reply
 * @throws {ApiError}
 */
export async function request(method, path, options = {}) {
  const isWrite = method !== 'GET';
  // The same key goes with every try of one action, so a retry after a lost reply is not a second action.
  const settled = isWrite && !options.anonymous ? { idempotencyKey: crypto.randomUUID(), ...options } : options;
  let response = await attempt(method, path, settled);
  if (response.status === 401 && !options.anonymous) {
    if (await refreshSession()) response = await attempt(method, path, settled);
    if (response.status === 401) {
      clearSession();
      goToSignIn();
    }
  }
  if (!response.ok) throw await toError(response);
  if (response.status === 204) return null;
  return (await response.json()).data ?? null;
}

export const get = (path, options) => request('GET', path, options);
export const post = (path, body, options) => request('POST', path, { body, ...options });
export const put = (path, body, options) => request('PUT', path, { body, ...options });
export const patch = (path, body, options) => request('PATCH', path, { body, ...options });
export const remove = (path, options) => request('DELETE', path, options);

/**
 * @param {Record<string, string|number|null|undefined|string[]>} values empty ones are left out, arrays are joined by commas
 * @returns {string} '' or '?a=b'
 */
export function query(values) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    const text = Array.isArray(value) ? value.join(',') : value;
    if (text !== null && text !== undefined && text !== '') parameters.set(name, String(text));
  }
  const written = parameters.toString();
  return written ? `?${written}` : '';
}
