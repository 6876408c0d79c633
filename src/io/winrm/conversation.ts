/** A connection on which the user is logged in: SOAP goes over it, and comes back with the certainty of who it is from. */
import { AppError } from '../../model/errors.ts';
import { endPointBinding } from '../ntlm/channel-binding.ts';
import { accountOf, ntlmLogin } from '../ntlm/login.ts';
import type { Channel, Post, PostAnswer } from './channel.ts';
import { isSealed, readSealed, sealedType, writeSealed } from './sealed-message.ts';

export type LoginWay = 'ntlm' | 'basic';

export interface Login {
  readonly way: LoginWay;
  readonly user: string;
  /** Asked for at the moment of use. */
  password(): Promise<string>;
}

export type Message = Omit<Post, 'headers'>;

export interface Conversation {
  readonly channel: Channel;
  /** A SOAP message, and its answer: a fault as well. @throws AppError; the connection is closed then. */
  exchange(message: Message): Promise<Buffer>;
}

const soap = 'application/soap+xml;charset=UTF-8';

/** @throws AppError `auth`, `unsupported` (what the server offers), `usage`, `unreachable`, `corrupt`. */
export async function logIn(
  channel: Channel,
  login: Login,
  hello: Omit<Message, 'body'>,
): Promise<Conversation> {
  try {
    return login.way === 'basic' ? basic(channel, login) : await ntlm(channel, login, hello);
  } catch (error) {
    channel.close();
    throw error;
  }
}

function basic(channel: Channel, { user, password }: Login): Conversation {
  if (channel.certificate === undefined) {
    throw new AppError(
      'usage',
      'a login by Basic without TLS would show the password to everybody in between',
      {
        where: channel.name,
        hint: 'say yes to TLS, or log in by NTLM',
      },
    );
  }
  if (user.includes(':'))
    throw new AppError('usage', 'a login by Basic can have no ":" in the name of the user');
  return plainConversation(channel, async () => ({
    authorization: `Basic ${Buffer.from(`${user}:${await password()}`).toString('base64')}`,
  }));
}

async function ntlm(channel: Channel, login: Login, hello: Omit<Message, 'body'>): Promise<Conversation> {
  const { certificate } = channel;
  const { negotiate, answer } = ntlmLogin({
    account: accountOf(login.user),
    targetName: `HTTP/${channel.host}`,
    channelBinding: certificate === undefined ? undefined : endPointBinding(certificate),
  });
  const send = (token: Buffer) =>
    channel.post({
      ...hello,
      body: Buffer.alloc(0),
      headers: { 'content-type': soap, authorization: `Negotiate ${token.toString('base64')}` },
    });
  const asked = await send(negotiate);
  const [, token] = /(?:^|,)\s*Negotiate\s+([A-Za-z0-9+/]+=*)/i.exec(asked.offered) ?? [];
  if (asked.status !== 401 || token === undefined) throw notOffered(channel, asked, 'Negotiate');
  const { authenticate, sealing } = answer(Buffer.from(token, 'base64'), await login.password());
  const told = await send(authenticate);
  // Some answer an empty message with a fault: then the login is done, too.
  if (told.status === 401 || told.status === 403 || told.status === 404) throw refused(channel, told);
  if (certificate !== undefined) return plainConversation(channel, async () => ({}));
  return {
    channel,
    exchange: (message) =>
      closing(channel, async () => {
        const body = writeSealed(sealing, message.body);
        const reply = await channel.post({ ...message, body, headers: { 'content-type': sealedType } });
        // What is not sealed could be from anybody.
        if (!isSealed(reply.contentType)) throw refused(channel, reply);
        return readSealed(sealing, reply.contentType, reply.body);
      }),
  };
}

/** By TLS alone. */
const plainConversation = (
  channel: Channel,
  more: () => Promise<Readonly<Record<string, string>>>,
): Conversation => ({
  channel,
  exchange: (message) =>
    closing(channel, async () => {
      const headers = await more();
      const reply = await channel.post({ ...message, headers: { 'content-type': soap, ...headers } });
      if (reply.status === 401 && headers.authorization !== undefined && !/\bBasic\b/i.test(reply.offered))
        throw notOffered(channel, reply, 'Basic');
      // Faults come with status 500, and with a body.
      if (reply.status !== 200 && (reply.status !== 500 || reply.body.length === 0))
        throw refused(channel, reply);
      return reply.body;
    }),
});

async function closing<T>(channel: Channel, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    channel.close();
    throw error;
  }
}

/** The names of what the server offers, never their values. */
const schemes = (offered: string): string[] => [
  ...new Set(
    [...offered.matchAll(/(?:^|,)\s*([A-Za-z][A-Za-z-]{1,20})(?=[\s,]|$)/g)].map(([, name]) => name!),
  ),
];

function notOffered(channel: Channel, answer: PostAnswer, wanted: string): AppError {
  if (answer.status !== 401) return refused(channel, answer);
  const names = schemes(answer.offered);
  const offer = names.length === 0 ? 'nothing' : names.slice(0, 8).join(', ');
  const by = wanted === 'Negotiate' ? 'NTLM' : wanted;
  return new AppError('unsupported', `the server takes no login by ${by}: it offers ${offer}`, {
    where: channel.name,
    hint:
      wanted === 'Basic'
        ? 'log in by NTLM, or turn it on there: winrm set winrm/config/service/auth @{Basic="true"}'
        : 'turn Negotiate on there (winrm set winrm/config/service/auth @{Negotiate="true"}), or log in by Basic over TLS; Kerberos and CredSSP are not spoken from here',
  });
}

function refused(channel: Channel, { status }: PostAnswer): AppError {
  const say = (kind: AppError['kind'], message: string, hint: string) =>
    new AppError(kind, message, { where: channel.name, hint });
  switch (status) {
    case 401:
      return say(
        'auth',
        'the login is refused: the user or the password is wrong, or this account may not log in from elsewhere',
        'an account of a domain is written DOMAIN\\user; of those of the host itself only administrators may',
      );
    case 403:
      return say('auth', 'the login is good, and WinRM is forbidden to this user', 'take an administrator');
    case 404:
      return say('unsupported', 'a web server answers there, and no WinRM', 'check host and port');
    default:
      return say(
        'unsupported',
        `the answer is not one of WinRM over this connection (HTTP status ${status})`,
        'is WinRM turned on there (winrm quickconfig), and is this its port: 5986 with TLS, 5985 without?',
      );
  }
}
