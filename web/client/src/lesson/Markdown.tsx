/** A passage's Markdown as React elements. HTML in it is shown as text. */
import MarkdownIt, { type Token } from 'markdown-it';
import { createElement, Fragment, type ReactNode } from 'react';

const markdownParser = new MarkdownIt({ html: false, linkify: false, typographer: false });

interface MarkdownProps {
  source: string;
  /** highlights the whole text */
  marked: boolean;
}

export function Markdown({ source, marked }: MarkdownProps) {
  return <>{new TokenRenderer(markdownParser.parse(source, {}), marked).renderRest()}</>;
}

const blockTags = new Set(['p', 'ul', 'ol', 'li', 'blockquote', 'table', 'thead', 'tbody', 'tr', 'th', 'td']);
const inlineTags = new Set(['em', 'strong', 's']);

/** Walks the parser's flat list of tokens. Unknown ones become plain text. */
class TokenRenderer {
  private at = 0;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly marked: boolean,
  ) {}

  renderRest(): ReactNode[] {
    const nodes: ReactNode[] = [];
    for (let token = this.nextToken(); token && token.nesting !== -1; token = this.nextToken()) {
      nodes.push(<Fragment key={this.at}>{this.renderToken(token)}</Fragment>);
    }
    return nodes;
  }

  private nextToken(): Token | undefined {
    return this.tokens[this.at++];
  }

  private renderToken(token: Token): ReactNode {
    if (token.nesting === 1) return this.renderElement(token, this.renderRest());
    switch (token.type) {
      case 'inline': {
        const inside = new TokenRenderer(token.children ?? [], false).renderRest();
        return this.marked ? <mark>{inside}</mark> : inside;
      }
      case 'fence':
      case 'code_block':
        return <Code source={token.content} />;
      case 'code_inline':
        return <code>{token.content}</code>;
      case 'softbreak':
        return ' ';
      case 'hardbreak':
        return <br />;
      case 'hr':
        return <hr />;
      case 'image':
        return <Picture src={token.attrGet('src')} alt={token.content} />;
      default:
        return token.content;
    }
  }

  private renderElement(token: Token, inside: ReactNode[]): ReactNode {
    // in a tight list, paragraphs are hidden
    if (token.type === 'paragraph_open' && token.hidden) return inside;
    if (token.type === 'link_open') return <ExternalLink href={token.attrGet('href')}>{inside}</ExternalLink>;
    if (token.type === 'heading_open') return <h4>{inside}</h4>;
    return blockTags.has(token.tag) || inlineTags.has(token.tag) ? createElement(token.tag, null, inside) : inside;
  }
}

/** A picture of the course. Shows only the text of other pictures, so nothing else is fetched. */
function Picture({ src, alt }: { src: string | null; alt: string }) {
  if (src === null || !src.startsWith('/api/files/')) return alt;
  return <img src={src} alt={alt} loading="lazy" />;
}

/** A link to the web. Any other scheme stays text. */
function ExternalLink({ href, children }: { href: string | null; children: ReactNode }) {
  if (href === null || !/^https?:\/\//i.test(href)) return children;
  return (
    <a href={href} target="_blank" rel="noreferrer noopener">
      {children}
    </a>
  );
}

export function Code({ source, label }: { source: string; label?: string }) {
  return (
    <pre className="code" tabIndex={0} aria-label={label}>
      <code>{source.replace(/\n$/, '')}</code>
    </pre>
  );
}
