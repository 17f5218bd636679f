"""Little pictures drawn on the spot, of things that the shipped model knows: nobody's photos."""

from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 640, 480
# Drawn so many times as large and then reduced, so that edges are smooth.
FINENESS = 3

Colour = str
Point = tuple[float, float]


class Drawing:
    """A picture of 640×480 pixels in the making; all lengths are in pixels, from the top left."""

    def __init__(self, above: Colour, below: Colour) -> None:
        """Start with a ground that goes from one colour to another, downwards."""
        shade = Image.linear_gradient("L").resize((WIDTH * FINENESS, HEIGHT * FINENESS))
        grounds = [Image.new("RGB", shade.size, colour) for colour in (below, above)]
        self._image = Image.composite(grounds[0], grounds[1], shade)
        self._draw = ImageDraw.Draw(self._image)

    def ellipse(self, x: float, y: float, across: float, down: float, colour: Colour) -> None:
        """Draw an ellipse around a centre, so many pixels wide and high."""
        left, top, right, bottom = x - across / 2, y - down / 2, x + across / 2, y + down / 2
        self._draw.ellipse(_scale([(left, top), (right, bottom)]), fill=colour)

    def box(self, left_top: Point, right_bottom: Point, colour: Colour, radius: float = 0) -> None:
        """Draw a rectangle, with round corners on demand."""
        corners = _scale([left_top, right_bottom])
        self._draw.rounded_rectangle(corners, radius * FINENESS, fill=colour)

    def shape(self, points: Sequence[Point], colour: Colour) -> None:
        """Draw a polygon."""
        self._draw.polygon(_scale(points), fill=colour)

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """Draw a line with round bends."""
        self._draw.line(_scale(points), fill=colour, width=round(width * FINENESS), joint="curve")

    def wheel(self, x: float, y: float, across: float) -> None:
        """Draw a wheel with its tyre."""
        for share, colour in ((1, "#20232a"), (0.58, "#b9c0ca"), (0.2, "#5c6470")):
            self.ellipse(x, y, across * share, across * share, colour)

    def finish(self) -> Image.Image:
        """Return the picture."""
        return self._image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def draw_airplane() -> Image.Image:
    """An airliner in a blue sky."""
    drawing = Drawing("#5b9be0", "#cfe6fa")
    for x, y, across in ((110, 400, 190), (190, 420, 200), (520, 90, 170), (450, 105, 140)):
        drawing.ellipse(x, y, across, 40, "#eef6fd")
    drawing.shape([(300, 230), (400, 230), (300, 90), (262, 90)], "#aeb8c6")
    drawing.shape([(96, 232), (150, 232), (104, 130), (66, 130)], "#27518f")
    drawing.shape(
        [(80, 220), (170, 204), (470, 204), (540, 222), (566, 246), (540, 262), (320, 269)],
        "#f5f7fa",
    )
    drawing.shape([(100, 250), (560, 252), (540, 262), (470, 270), (170, 266)], "#ccd4df")
    for x in range(180, 470, 26):
        drawing.box((x, 222), (x + 12, 234), "#46618a", 3)
    drawing.shape([(498, 218), (530, 220), (546, 232), (506, 232)], "#2b3f5e")
    drawing.shape([(300, 252), (410, 252), (270, 390), (226, 390)], "#dde3eb")
    drawing.box((306, 290), (372, 318), "#56657a", 14)
    drawing.shape([(92, 240), (150, 240), (80, 290), (54, 290)], "#dde3eb")
    return drawing.finish()


def draw_automobile() -> Image.Image:
    """A red car on a road."""
    drawing = Drawing("#a8cdee", "#e7f1f8")
    drawing.shape(
        [(0, 300), (150, 200), (330, 270), (500, 190), (640, 260), (640, 360), (0, 360)], "#86a874"
    )
    drawing.box((0, 340), (640, 480), "#6f747c")
    for x in range(20, 640, 150):
        drawing.box((x, 432), (x + 80, 442), "#e8e4d4")
    drawing.ellipse(325, 398, 500, 34, "#4c5057")
    drawing.shape([(176, 270), (248, 178), (412, 178), (486, 270)], "#a81f22")
    drawing.shape([(204, 264), (258, 192), (322, 192), (322, 264)], "#bfd9e8")
    drawing.shape([(336, 264), (336, 192), (404, 192), (456, 264)], "#bfd9e8")
    drawing.box((70, 256), (580, 376), "#c9282b", 44)
    drawing.box((76, 338), (574, 378), "#8f191c", 20)
    drawing.box((88, 282), (124, 306), "#ffe9a6", 8)
    drawing.box((540, 282), (572, 306), "#f2663c", 8)
    drawing.box((346, 288), (384, 298), "#7f1518", 4)
    drawing.wheel(180, 372, 112)
    drawing.wheel(470, 372, 112)
    return drawing.finish()


def draw_frog() -> Image.Image:
    """A frog on a leaf in a pond."""
    drawing = Drawing("#3f6f62", "#7da58f")
    drawing.ellipse(330, 400, 560, 150, "#3b7a3d")
    drawing.ellipse(330, 390, 540, 130, "#4c9149")
    for x in (170, 490):
        drawing.ellipse(x, 350, 160, 120, "#5d9c34")
        drawing.ellipse(x, 404, 170, 34, "#78b843")
    drawing.ellipse(330, 300, 330, 220, "#6fae3c")
    drawing.ellipse(330, 352, 230, 120, "#d7e0a0")
    for x in (262, 398):
        drawing.line([(x, 330), (x - (330 - x) * 0.15, 400)], "#5d9c34", 34)
        drawing.ellipse(x, 408, 78, 28, "#78b843")
    drawing.ellipse(330, 210, 280, 170, "#7cbb45")
    for x in (240, 420):
        drawing.ellipse(x, 140, 92, 92, "#7cbb45")
        drawing.ellipse(x, 138, 62, 62, "#f3e9a4")
        drawing.ellipse(x, 140, 34, 40, "#1d2415")
    drawing.line([(214, 232), (270, 258), (330, 266), (390, 258), (446, 232)], "#3f6d22", 7)
    return drawing.finish()


def draw_truck() -> Image.Image:
    """A lorry on a road."""
    drawing = Drawing("#9cc4e8", "#dfeaf3")
    drawing.box((0, 330), (640, 480), "#70757d")
    drawing.box((0, 318), (640, 334), "#8ea07a")
    drawing.ellipse(320, 412, 580, 34, "#4c5057")
    drawing.box((50, 110), (420, 356), "#eef0f2", 8)
    drawing.box((50, 300), (420, 356), "#d2d7dd", 8)
    drawing.box((90, 170), (380, 236), "#e0902c", 6)
    drawing.box((40, 352), (600, 384), "#353a43", 6)
    drawing.shape([(432, 178), (536, 178), (590, 272), (600, 372), (432, 372)], "#d9791f")
    drawing.shape([(452, 196), (526, 196), (566, 272), (452, 272)], "#bcd7e8")
    drawing.box((572, 318), (600, 342), "#fff0b8", 6)
    for x in (126, 216, 500):
        drawing.wheel(x, 384, 90)
    return drawing.finish()


def draw_cat() -> Image.Image:
    """The face of a ginger cat."""
    drawing = Drawing("#8d8276", "#5f574f")
    drawing.ellipse(320, 500, 460, 300, "#c77f3f")
    for side in (-1, 1):
        drawing.shape(
            [(320 + side * 60, 130), (320 + side * 176, 30), (320 + side * 186, 210)], "#c77f3f"
        )
        drawing.shape(
            [(320 + side * 96, 130), (320 + side * 160, 68), (320 + side * 166, 180)], "#e0a795"
        )
    drawing.ellipse(320, 240, 390, 330, "#d68f4b")
    for x in (-60, 0, 60):
        drawing.line([(320 + x, 84), (320 + x * 0.8, 150)], "#a8652c", 16)
    for side in (-1, 1):
        for y in (250, 290):
            drawing.line([(320 + side * 196, y - 6), (320 + side * 140, y)], "#a8652c", 13)
        drawing.ellipse(320 + side * 46, 314, 120, 96, "#f4e3d0")
        drawing.ellipse(320 + side * 82, 216, 84, 74, "#eef0b4")
        drawing.ellipse(320 + side * 82, 216, 60, 66, "#8fae4a")
        drawing.ellipse(320 + side * 82, 216, 22, 60, "#16190f")
        drawing.ellipse(320 + side * 82 + 8, 200, 12, 12, "#ffffff")
        for y in (-18, 4, 26):
            drawing.line(
                [(320 + side * 70, 314 + y * 0.4), (320 + side * 270, 300 + y * 1.8)], "#f8efe4", 4
            )
    drawing.ellipse(320, 362, 80, 40, "#f4e3d0")
    drawing.shape([(296, 272), (344, 272), (320, 298)], "#c9776d")
    drawing.line([(320, 296), (320, 322)], "#7c4a35", 5)
    drawing.line([(284, 330), (302, 338), (320, 322), (338, 338), (356, 330)], "#7c4a35", 5)
    return drawing.finish()


def draw_horse() -> Image.Image:
    """A brown horse on a meadow."""
    drawing = Drawing("#bcd8ee", "#e9f2f6")
    drawing.shape([(0, 300), (640, 280), (640, 480), (0, 480)], "#7f9f52")
    dark, brown = "#5d3a20", "#85562f"
    for x, foot in ((214, 206), (404, 424)):
        drawing.line([(x, 280), (foot, 430)], dark, 24)
    drawing.line([(150, 200), (118, 270), (124, 340)], "#2c1c12", 26)
    drawing.ellipse(288, 236, 310, 150, brown)
    drawing.shape([(370, 200), (470, 70), (520, 110), (450, 270), (400, 290)], brown)
    drawing.shape([(468, 78), (530, 84), (586, 166), (560, 190), (486, 150)], brown)
    drawing.ellipse(566, 172, 50, 44, "#6b4425")
    drawing.shape([(470, 88), (474, 40), (500, 80)], brown)
    drawing.line([(470, 70), (430, 120), (388, 190)], "#2c1c12", 26)
    drawing.ellipse(512, 108, 14, 14, "#17110c")
    for x, foot in ((180, 166), (240, 250), (370, 366), (436, 442)):
        drawing.line([(x, 270), (foot, 436)], brown, 28)
        drawing.box((foot - 17, 430), (foot + 17, 448), "#241913", 5)
    return drawing.finish()


def draw_bird() -> Image.Image:
    """A small bird on a twig."""
    drawing = Drawing("#a9c79a", "#dbe7c6")
    drawing.line([(0, 396), (250, 372), (640, 392)], "#6a4b32", 22)
    drawing.shape([(150, 330), (60, 420), (96, 440), (220, 340)], "#3d5a80")
    drawing.ellipse(300, 280, 290, 190, "#4f78a8")
    drawing.ellipse(336, 310, 210, 140, "#e8a86c")
    drawing.ellipse(420, 190, 150, 140, "#4f78a8")
    drawing.ellipse(440, 216, 100, 84, "#e8a86c")
    drawing.shape([(486, 178), (548, 196), (486, 212)], "#3a3531")
    drawing.ellipse(442, 176, 26, 26, "#f6f6f2")
    drawing.ellipse(444, 176, 18, 18, "#15181c")
    drawing.shape([(180, 260), (330, 220), (350, 280), (230, 340), (130, 340)], "#35557d")
    for x in (290, 336):
        drawing.line([(x, 360), (x + 4, 388)], "#6b5340", 8)
    return drawing.finish()


DRAWINGS: dict[str, Callable[[], Image.Image]] = {
    "airplane": draw_airplane,
    "automobile": draw_automobile,
    "bird": draw_bird,
    "cat": draw_cat,
    "frog": draw_frog,
    "horse": draw_horse,
    "truck": draw_truck,
}


def _scale(points: Sequence[Point]) -> list[Point]:
    return [(x * FINENESS, y * FINENESS) for x, y in points]
