import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { ApiError, get, post, query, request } from '../../../frontend_static/static/js/shared/api.js';
import { readSession, safeNextPath, writeSession } from '../../../frontend_static/static/js/shared/session.js';

let calls;
let answers;

beforeEach(() => {
  calls = [];
  answers = [];
  globalThis.location = { pathname: '/models', search: '?page=2', replace: (target) => calls.push({ redirect: target }) };
  globalThis.fetch = async (url, options) => {
    calls.push({ url, ...options });
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return new Response(answer.body === undefined ? null : JSON.stringify(answer.body), { status: answer.status ?? 200 });
  };
  writeSession({ access_token: 'first', refresh_token: 'again' }, false);
});

test('the envelope is opened and the token is sent', async () => {
  answers.push({ body: { success: true, data: { id: 'x' } } });
  assert.deepEqual(await get('/me'), { id: 'x' });
  assert.equal(calls[0].url, '/api/me');
  assert.equal(calls[0].headers.authorization, 'Bearer first');
});

test('a refusal becomes an error with its code and details', async () => {
  answers.push({ status: 422, body: { error: 'Some fields need attention.', code: 'validation_failed', details: { name: ['Too short.'] }, request_id: 'r1' } });
  await assert.rejects(get('/jobs'), (error) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.code, 'validation_failed');
    assert.deepEqual(error.details, { name: ['Too short.'] });
    assert.equal(error.requestId, 'r1');
    assert.equal(error.isTransient, false);
    return true;
  });
});

test('an answer that is no JSON still gives a sentence', async () => {
  answers.push({ status: 502 });
  await assert.rejects(get('/jobs'), /answered 502/);
});

test('a lost connection is told apart from a refusal', async () => {
  answers.push(new TypeError('Failed to fetch'));
  await assert.rejects(get('/jobs'), (error) => error.status === 0 && error.isTransient);
});

test('an expired token is refreshed once for all calls, then the calls are repeated', async () => {
  answers.push({ status: 401, body: {} }, { status: 401, body: {} }, { body: { data: { access_token: 'second' } } }, { body: { data: 1 } }, { body: { data: 2 } });
  assert.deepEqual(await Promise.all([get('/a'), get('/b')]), [1, 2]);
  assert.equal(calls.filter((call) => call.url === '/api/session/refresh').length, 1);
  assert.equal(calls.at(-1).headers.authorization, 'Bearer second');
  assert.equal(readSession().refresh_token, 'again');
});

test('a write keeps its idempotency key when it is repeated', async () => {
  answers.push({ status: 401, body: {} }, { body: { data: { access_token: 'second' } } }, { body: { data: {} } });
  await post('/jobs', { name: 'x' });
  const [first, , repeated] = calls;
  assert.ok(first.headers['idempotency-key']);
  assert.equal(first.headers['idempotency-key'], repeated.headers['idempotency-key']);
});

test('a busy service while refreshing does not sign anybody out', async () => {
  answers.push({ status: 401, body: {} }, { status: 503, body: { error: 'Busy.' } });
  await assert.rejects(get('/models'), (error) => error.status === 503);
  assert.equal(readSession().access_token, 'first');
});

test('a lost connection while refreshing does not sign anybody out', async () => {
  answers.push({ status: 401, body: {} }, new TypeError('Failed to fetch'));
  await assert.rejects(get('/models'), (error) => error.status === 0);
  assert.equal(readSession().access_token, 'first');
});

test('without a way to refresh the person signs in again and comes back here', async () => {
  writeSession({ access_token: 'first' }, false);
  answers.push({ status: 401, body: { error: 'Sign in to continue.', code: 'unauthenticated' } });
  await assert.rejects(get('/models'));
  assert.equal(readSession(), null);
  assert.equal(calls.at(-1).redirect, '/sign-in?next=%2Fmodels%3Fpage%3D2');
});

test('signing in with a wrong password neither refreshes nor leaves the page', async () => {
  answers.push({ status: 401, body: { error: 'The e-mail or the password is wrong.' } });
  await assert.rejects(request('POST', '/session', { body: {}, anonymous: true }), /password is wrong/);
  assert.equal(calls.length, 1);
});

test('queries leave out what is empty and join lists', () => {
  assert.equal(query({ a: 1, b: '', c: null, d: ['x', 'y'], e: [] }), '?a=1&d=x%2Cy');
  assert.equal(query({}), '');
});

test('after signing in only paths of this site are followed', () => {
  const home = '/dashboard/training-jobs';
  assert.equal(safeNextPath('/models?page=2'), '/models?page=2');
  for (const bad of [null, '', 'https://evil.example', '//evil.example', '/\\evil.example', '/sign-in']) assert.equal(safeNextPath(bad), home);
});
