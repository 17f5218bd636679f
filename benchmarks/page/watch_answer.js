// Sets window.measured, a promise of the milliseconds from the choice of a file to its answer.
() => {
    const times = {};
    const send = window.fetch;
    window.fetch = (address, options) => {
        if (options?.body) times.sent = options.body.values().next().value.size;
        return send(address, options);
    };
    window.measured = new Promise((resolve) => {
        document.addEventListener("change", () => { times.chosen = performance.now(); }, true);
        const observer = new MutationObserver(() => {
            if (!document.querySelector("#answers [data-answer]")) return;
            observer.disconnect();
            times.there = performance.now();
            requestAnimationFrame(() => {
                // A message comes after the frame that was asked for is painted.
                const {port1, port2} = new MessageChannel();
                port1.onmessage = () => {
                    times.painted = performance.now();
                    resolve({there: times.there - times.chosen,
                        painted: times.painted - times.chosen, sent: times.sent});
                };
                port2.postMessage(null);
            });
        });
        observer.observe(document.querySelector("#answers"), {childList: true, subtree: true});
    });
}
