/** The status page before its script has asked for anything. Paths are relative, so that it may stand behind a prefix. */
export const PAGE_HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>MyBouncer</title>
<link rel="icon" type="image/svg+xml" href="page/icon.svg">
<link rel="stylesheet" href="page/uplot.css">
<link rel="stylesheet" href="page/style.css">
<script defer src="page/uplot.js"></script>
<script type="module" src="page/main.js"></script>
</head>
<body>
<header>
<h1>MyBouncer</h1>
<p id="state" class="state" role="status" data-state="unknown">connecting</p>
<p id="about"></p>
<p id="updated" class="quiet"></p>
</header>
<p id="notice" class="notice" role="alert" hidden></p>
<noscript><p class="notice">This page needs JavaScript. The same numbers are at <a href="status">/status</a>.</p></noscript>
<main id="main" aria-busy="true">
<section aria-label="Now"><dl id="summary"></dl></section>
<section aria-labelledby="charts-title">
<h2 id="charts-title">The last 15 minutes <span id="charts-moment" class="aside"></span></h2>
<div id="charts"></div>
</section>
<div id="tables"></div>
</main>
<footer class="quiet">
<a href="status">status</a> <a href="status/schema">its schema</a> <a href="metrics">metrics</a>
</footer>
</body>
</html>
`;

/** A door with a light above it, in one colour that is seen on light and on dark. */
export const PAGE_ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="7" fill="#1d6fb8"/>
<circle cx="16" cy="8" r="2.6" fill="#ffd479"/>
<path d="M9 27V14h14v13z" fill="none" stroke="#fff" stroke-width="2.6" stroke-linejoin="round"/>
<circle cx="19.4" cy="20.6" r="1.6" fill="#fff"/>
</svg>
`;
