/* SPDX-License-Identifier: MIT */
/*
 * A flame graph: a rectangle for each function that was called by what is below
 * it, as wide as the time that it took part in. One file that needs no other:
 * whatever shows SVG shows it; a browser also runs the script in it, which zooms
 * into a function, searches, and goes back.
 *
 * Names are a node's. They stand in text alone, escaped, never in the script or
 * the style; the script reads them as text.
 */
#include <errno.h>
#include <stdlib.h>

#include "export/profile_int.h"

#define WIDTH 1200.0
#define SIDE 10.0  /* left and right of the graph */
#define ROW 16	   /* pixels */
#define HEAD 60	   /* above the graph */
#define FOOT 30	   /* below */
#define NARROW 0.1 /* pixels that are not drawn, nor what is above them */
#define CHAR 7.1   /* pixels of a letter */

static const char style[] =
	"text{font:12px monospace;fill:#222}\n"
	"#title{font-size:16px;text-anchor:middle}\n"
	"#matched{text-anchor:end}\n"
	".b{cursor:pointer;fill:#06c}\n"
	".h{display:none}\n"
	"#frames g{cursor:pointer}\n"
	"#frames g text{pointer-events:none}\n"
	"#frames rect:hover{stroke:#000;stroke-width:.7}\n"
	".p rect{opacity:.5}\n"
	".m rect{fill:#d3d !important}\n";

/* data-x and data-w are parts of the whole; names are in <title>. */
static const char script[] =
	"(function(){var frames,all,found=null,view=[0,1];\n"
	"function $(i){return document.getElementById(i)}\n"
	"function name(g){var t=g.querySelector('title').textContent;\n"
	" return t.slice(0,t.lastIndexOf(' ('))}\n"
	"function num(g,k){return parseFloat(g.getAttribute('data-'+k))}\n"
	"function label(g,w){var n=name(g),t=g.querySelector('text'),\n"
	" k=Math.floor((w-4)/CHAR);\n"
	" t.textContent=k<3?'':n.length<=k?n:n.slice(0,k-2)+'..'}\n"
	"function place(){for(var i=0;i<all.length;i++){var g=all[i],\n"
	" x=(num(g,'x')-view[0])/view[1],w=num(g,'w')/view[1],\n"
	" r=g.querySelector('rect'),t=g.querySelector('text'),\n"
	" over=x<=1e-9&&x+w>=1-1e-9;\n"
	" if(x+w<=1e-9||x>=1-1e-9||w*GRAPH<.1){g.classList.add('h');continue}\n"
	" g.classList.remove('h');\n"
	" g.classList.toggle('p',over&&w>1+1e-9);\n"
	" if(x<0){w+=x;x=0} if(x+w>1)w=1-x;\n"
	" r.setAttribute('x',SIDE+x*GRAPH);r.setAttribute('width',w*GRAPH);\n"
	" t.setAttribute('x',SIDE+x*GRAPH+3);label(g,w*GRAPH)}\n"
	" $('reset').classList.toggle('h',view[1]>=1)}\n"
	"function zoom(g){view=[num(g,'x'),num(g,'w')];place()}\n"
	"function reset(){view=[0,1];place()}\n"
	"function mark(re){var w=0,end=-1,hit=[];\n"
	" for(var i=0;i<all.length;i++){var g=all[i],m=re&&re.test(name(g));\n"
	"  g.classList.toggle('m',!!m);if(m)hit.push([num(g,'x'),num(g,'w')])}\n"
	" hit.sort(function(a,b){return a[0]-b[0]||b[1]-a[1]});\n"
	" for(i=0;i<hit.length;i++)if(hit[i][0]>=end-1e-12){w+=hit[i][1];\n"
	"  end=hit[i][0]+hit[i][1]}\n"
	" $('matched').textContent=re?'matched: '+(100*w).toFixed(2)+'%':'';\n"
	" $('search').textContent=re?'Clear search':'Search'}\n"
	"function search(){if(found){found=null;mark(null);return}\n"
	" var s=prompt('Functions to find (regular expression)','');\n"
	" if(!s)return;try{found=new RegExp(s)}catch(e){alert(e.message);return}\n"
	" mark(found)}\n"
	"function init(){frames=$('frames');all=frames.querySelectorAll('g');\n"
	" frames.addEventListener('click',function(e){\n"
	"  var g=e.target.closest('g');if(g&&g!==frames)zoom(g)});\n"
	" frames.addEventListener('mouseover',function(e){\n"
	"  var g=e.target.closest('g');\n"
	"  $('details').textContent=g&&g!==frames?\n"
	"   g.querySelector('title').textContent:''});\n"
	" $('reset').addEventListener('click',reset);\n"
	" $('search').addEventListener('click',search);\n"
	" addEventListener('keydown',function(e){\n"
	"  if(e.key==='Escape'){reset();found=null;mark(null)}\n"
	"  else if(e.key==='/'){e.preventDefault();found=null;search()}})}\n"
	"addEventListener('load',init)})();\n";

static const char *escape(char c)
{
	switch (c) {
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '&':
		return "&amp;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

static void put(FILE *out, struct scope_text t)
{
	scope_profile_put_text(out, t, escape);
}

static struct scope_text text(const char *s)
{
	size_t n = 0;

	while (s && s[n])
		n++;
	return (struct scope_text){ s, n };
}

/* The same colour for a name, wherever it stands. */
static void put_color(FILE *out, const struct scope_profile_node *n)
{
	static const struct {
		unsigned r, g, b, dr, dg, db;
	} of[SCOPE_FRAME_KINDS] = {
		[SCOPE_FRAME_ERLANG] = { 215, 90, 40, 40, 130, 40 },
		[SCOPE_FRAME_SYSTEM] = { 160, 130, 200, 30, 40, 40 },
		[SCOPE_FRAME_NATIVE] = { 90, 170, 90, 60, 60, 60 },
		[SCOPE_FRAME_KERNEL] = { 90, 150, 210, 50, 50, 40 },
		[SCOPE_FRAME_NOTE] = { 200, 200, 200, 1, 1, 1 },
	};
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n->name.len; i++)
		h = (h ^ (uint8_t)n->name.p[i]) * 16777619u;
	(void)fprintf(out, "#%02x%02x%02x",
		      of[n->kind].r + h % of[n->kind].dr,
		      of[n->kind].g + (h >> 8) % of[n->kind].dg,
		      of[n->kind].b + (h >> 16) % of[n->kind].db);
}

static void put_weight(FILE *out, const struct scope_profile_opts *opts,
		       uint64_t weight, uint64_t of)
{
	double percent = of ? 100.0 * (double)weight / (double)of : 100.0;

	if (opts->by_ns)
		(void)fprintf(out, " (%.3f ms, %.2f%%)", (double)weight / 1e6,
			      percent);
	else
		(void)fprintf(out, " (%llu sample%s, %.2f%%)",
			      (unsigned long long)weight,
			      weight == 1 ? "" : "s", percent);
}

static size_t cut_at(struct scope_text name, size_t room)
{
	size_t n = 0, at = 0;

	/* In characters: bytes that begin one. */
	while (at < name.len) {
		if (((uint8_t)name.p[at] & 0xc0) != 0x80 && n++ == room)
			break;
		at++;
	}
	return at;
}

static void put_label(FILE *out, struct scope_text name, double width)
{
	const size_t room = width > 4 ? (size_t)((width - 4) / CHAR) : 0;
	size_t all = cut_at(name, room);

	if (room < 3)
		return;
	if (all == name.len) {
		put(out, name);
		return;
	}
	name.len = cut_at(name, room - 2);
	put(out, name);
	(void)fputs("..", out);
}

static void put_node(FILE *out, const struct scope_profile_opts *opts,
		     const struct scope_profile_tree *t,
		     const struct scope_profile_node *n)
{
	const double graph = WIDTH - 2 * SIDE, of = (double)t->nodes[0].total;
	const double x = (double)n->from / of, w = (double)n->total / of;
	const unsigned y = HEAD + (t->depth - n->depth) * ROW;

	(void)fprintf(out, "<g data-x=\"%.9g\" data-w=\"%.9g\"><title>", x, w);
	put(out, n->name);
	put_weight(out, opts, n->total, t->nodes[0].total);
	(void)fprintf(out,
		      "</title><rect x=\"%.2f\" y=\"%u\" width=\"%.2f\" "
		      "height=\"%d\" fill=\"",
		      SIDE + x * graph, y, w * graph, ROW - 1);
	put_color(out, n);
	(void)fprintf(out, "\"/><text x=\"%.2f\" y=\"%u\">",
		      SIDE + x * graph + 3, y + 12);
	put_label(out, n->name, w * graph);
	(void)fputs("</text></g>\n", out);
}

static void put_head(FILE *out, const struct scope_profile_opts *opts,
		     unsigned height)
{
	(void)fprintf(out,
		      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
		      "height=\"%u\" viewBox=\"0 0 %.0f %u\">\n"
		      "<style>\n%s</style>\n"
		      "<script><![CDATA[\n"
		      "var SIDE=%.0f,GRAPH=%.0f,CHAR=%.1f;\n%s]]></script>\n",
		      WIDTH, height, WIDTH, height, style, SIDE,
		      WIDTH - 2 * SIDE, CHAR, script);
	(void)fprintf(out,
		      "<rect width=\"100%%\" height=\"100%%\" fill=\"#fdfdf6\"/>\n"
		      "<text id=\"title\" x=\"%.0f\" y=\"24\">",
		      WIDTH / 2);
	put(out, text(opts->title));
	(void)fprintf(out,
		      "</text>\n"
		      "<text id=\"reset\" class=\"b h\" x=\"%.0f\" "
		      "y=\"24\">Reset zoom</text>\n"
		      "<text id=\"search\" class=\"b\" x=\"%.0f\" "
		      "y=\"24\">Search</text>\n"
		      "<text id=\"matched\" x=\"%.0f\" y=\"%u\"> </text>\n"
		      "<text id=\"details\" x=\"%.0f\" y=\"%u\"> </text>\n"
		      "<g id=\"frames\">\n",
		      SIDE, WIDTH - SIDE - 100, WIDTH - SIDE, height - 10, SIDE,
		      height - 10);
}

int scope_profile_svg(const struct scope_profile *p,
		      const struct scope_profile_opts *opts, FILE *out)
{
	struct scope_profile_tree t;
	uint32_t depth = 0;
	double narrow;
	int r = scope_profile_tree(p, opts, &t);

	if (r < 0)
		return r;
	narrow = NARROW * (double)t.nodes[0].total / (WIDTH - 2 * SIDE);
	/* As high as what is drawn. */
	for (size_t i = 0; i < t.n; i++)
		if ((double)t.nodes[i].total >= narrow &&
		    t.nodes[i].depth > depth)
			depth = t.nodes[i].depth;
	t.depth = depth;
	put_head(out, opts, HEAD + (depth + 1) * ROW + FOOT);
	for (size_t i = 0; t.nodes[0].total && i < t.n; i++)
		if ((double)t.nodes[i].total >= narrow)
			put_node(out, opts, &t, &t.nodes[i]);
	(void)fputs("</g>\n</svg>\n", out);
	free(t.nodes);
	return ferror(out) ? -EIO : 0;
}
