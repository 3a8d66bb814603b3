// An OpenID Connect provider for the tests. Its settings are JSON in the environment:
// port; clients, as oidc-provider takes them; people: login -> claims; inIdToken: whether the
// ID token holds all claims, or only the userinfo answer does.
import { Provider } from 'oidc-provider';

const { port, clients, people, inIdToken } = JSON.parse(process.env.OIDC_TEST_PROVIDER);
const profile = ['name', 'given_name', 'family_name', 'preferred_username', 'groups', 'roles', 'tenant'];

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients,
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile },
  conformIdTokenClaims: !inIdToken,
  cookies: { keys: ['a key for the cookies of the tests'] },
  findAccount: (_, login) => ({
    accountId: login,
    claims: () => ({ sub: login, ...people[login] }),
  }),
});

provider.listen(port, '127.0.0.1', () => console.log('ready'));
