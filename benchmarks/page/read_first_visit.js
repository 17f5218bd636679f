// Returns what the browser has measured of the page's first visit.
() => new Promise((resolve) => {
    const entries = {};
    for (const type of ["largest-contentful-paint", "layout-shift", "longtask"]) {
        entries[type] = [];
        new PerformanceObserver((list) => entries[type].push(...list.getEntries()))
            .observe({type, buffered: true});
    }
    const [{domContentLoadedEventEnd, loadEventEnd}] = performance.getEntriesByType("navigation");
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    // What was buffered comes in a task of its own.
    setTimeout(() => resolve({
        "first contentful paint, ms": paint.startTime,
        "largest contentful paint, ms": entries["largest-contentful-paint"].at(-1).startTime,
        "total blocking time, ms": entries.longtask.reduce((sum, {duration}) => sum + duration - 50, 0),
        "cumulative layout shift": entries["layout-shift"].reduce((sum, {value}) => sum + value, 0),
        "DOMContentLoaded, ms": domContentLoadedEventEnd,
        "load, ms": loadEventEnd,
    }), 300);
})
