namespace CnnCluster.Trainer.Data.Digits;

/// <summary>The ways in which the ten digits are written.</summary>
internal static class DigitShapes
{
    private static readonly DigitShape[] Zero =
    [
        Shape([(.50, .05), (.74, .20), (.79, .53), (.67, .86), (.46, .95), (.26, .80), (.20, .47), (.29, .17)],
            Stroke.Loop(0, 1, 2, 3, 4, 5, 6, 7)),
        Shape([(.56, .06), (.36, .12), (.22, .42), (.27, .78), (.49, .95), (.72, .78),
               (.78, .42), (.66, .14), (.44, .10)],
            Stroke.Curve(0, 1, 2, 3, 4, 5, 6, 7, 8)),
    ];

    private static readonly DigitShape[] One =
    [
        Shape([(.51, .05), (.49, .95)], Stroke.Line(0, 1)),
        Shape([(.32, .27), (.54, .05), (.52, .95)], Stroke.Line(0, 1, 2)),
        Shape([(.33, .24), (.52, .05), (.52, .94), (.31, .94), (.73, .94)], Stroke.Line(0, 1, 2), Stroke.Line(3, 2, 4)),
    ];

    private static readonly DigitShape[] Two =
    [
        Shape([(.23, .28), (.35, .10), (.59, .06), (.75, .25), (.66, .48), (.43, .73), (.21, .93), (.80, .92)],
            Stroke.Curve(0, 1, 2, 3, 4, 5, 6), Stroke.Line(6, 7)),
        Shape([(.24, .24), (.46, .05), (.72, .18), (.68, .46), (.46, .73), (.27, .91),
               (.19, .81), (.33, .75), (.55, .89), (.82, .89)],
            Stroke.Curve(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)),
    ];

    private static readonly DigitShape[] Three =
    [
        Shape([(.24, .18), (.46, .05), (.71, .15), (.67, .37), (.43, .47), (.71, .56),
               (.76, .78), (.52, .95), (.22, .83)],
            Stroke.Curve(0, 1, 2, 3, 4), Stroke.Curve(4, 5, 6, 7, 8)),
        Shape([(.23, .08), (.75, .08), (.46, .42), (.74, .54), (.75, .80), (.50, .95), (.22, .84)],
            Stroke.Line(0, 1, 2), Stroke.Curve(2, 3, 4, 5, 6)),
    ];

    private static readonly DigitShape[] Four =
    [
        Shape([(.34, .06), (.22, .57), (.82, .57), (.65, .22), (.61, .95)], Stroke.Line(0, 1, 2), Stroke.Line(3, 4)),
        Shape([(.65, .95), (.66, .05), (.17, .64), (.85, .64)], Stroke.Line(0, 1, 2, 3)),
        Shape([(.28, .07), (.25, .40), (.42, .54), (.72, .46), (.73, .08), (.68, .95)],
            Stroke.Curve(0, 1, 2, 3), Stroke.Line(4, 3, 5)),
    ];

    private static readonly DigitShape[] Five =
    [
        Shape([(.75, .07), (.35, .07), (.29, .45), (.55, .38), (.77, .58), (.70, .84), (.46, .95), (.22, .85)],
            Stroke.Line(0, 1, 2), Stroke.Curve(2, 3, 4, 5, 6, 7)),
        Shape([(.30, .09), (.27, .42), (.57, .44), (.73, .67), (.55, .93), (.24, .90), (.78, .07)],
            Stroke.Curve(0, 1, 2, 3, 4, 5), Stroke.Line(0, 6)),
    ];

    private static readonly DigitShape[] Six =
    [
        Shape([(.68, .06), (.42, .22), (.26, .52), (.28, .82), (.50, .95), (.73, .82),
               (.72, .60), (.50, .51), (.28, .66)],
            Stroke.Curve(0, 1, 2, 3, 4, 5, 6, 7, 8)),
        Shape([(.47, .05), (.33, .36), (.25, .70), (.42, .94), (.67, .88), (.70, .65), (.48, .57), (.26, .72)],
            Stroke.Curve(0, 1, 2, 3, 4, 5, 6, 7)),
    ];

    private static readonly DigitShape[] Seven =
    [
        Shape([(.20, .09), (.79, .09), (.43, .95)], Stroke.Line(0, 1, 2)),
        Shape([(.20, .09), (.79, .09), (.44, .95), (.36, .51), (.76, .50)], Stroke.Line(0, 1, 2), Stroke.Line(3, 4)),
        Shape([(.22, .22), (.24, .10), (.78, .08), (.58, .42), (.49, .67), (.45, .95)],
            Stroke.Line(0, 1, 2), Stroke.Curve(2, 3, 4, 5)),
    ];

    private static readonly DigitShape[] Eight =
    [
        Shape([(.50, .05), (.71, .17), (.67, .37), (.50, .47), (.32, .37), (.29, .17),
               (.76, .61), (.74, .84), (.50, .95), (.26, .84), (.24, .61)],
            Stroke.Loop(0, 1, 2, 3, 4, 5), Stroke.Loop(3, 6, 7, 8, 9, 10)),
        Shape([(.70, .17), (.48, .05), (.28, .20), (.46, .43), (.73, .66), (.67, .90),
               (.40, .94), (.25, .76), (.43, .52), (.67, .34)],
            Stroke.Loop(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)),
    ];

    private static readonly DigitShape[] Nine =
    [
        Shape([(.71, .28), (.60, .07), (.36, .09), (.26, .31), (.42, .51), (.65, .44), (.70, .60), (.62, .95)],
            Stroke.Loop(0, 1, 2, 3, 4, 5), Stroke.Curve(0, 6, 7)),
        Shape([(.70, .28), (.60, .07), (.36, .09), (.26, .31), (.42, .51), (.65, .44),
               (.72, .60), (.62, .86), (.42, .95), (.25, .85)],
            Stroke.Loop(0, 1, 2, 3, 4, 5), Stroke.Curve(0, 6, 7, 8, 9)),
    ];

    /// <summary>The shapes of each digit, by the digit.</summary>
    public static IReadOnlyList<DigitShape[]> ByDigit { get; } =
        [Zero, One, Two, Three, Four, Five, Six, Seven, Eight, Nine];

    private static DigitShape Shape((double X, double Y)[] dots, params Stroke[] strokes) =>
        new(Array.ConvertAll(dots, dot => new Dot(dot.X, dot.Y)), strokes);
}
