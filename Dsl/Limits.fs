/// What is refused unread: a text that long is no script, and would only be slow to complain about.
module CnnCluster.Dsl.Limits

/// The longest script, in characters.
[<Literal>]
let LongestScript = 1_048_576

/// The longest line, in characters.
[<Literal>]
let LongestLine = 10_000

/// So many mistakes in a script's form are noted; nobody reads more, and nonsense has one in every place.
[<Literal>]
let MostMistakes = 1_000

/// The greatest seed, 2⁵³ − 1: the numbers up to it are told apart.
[<Literal>]
let GreatestSeed = 9_007_199_254_740_991UL

let private tooLong (source: Source) (position: Position) message expected =
    { Diagnostic.error
          { File = source.File
            Start = position
            End = position }
          message with
        Expected = Some expected }

/// The first line that is too long: its number, and where it begins.
let private longLine (text: string) =
    let rec from number start =
        let finish = Lines.endOf text start

        if finish - start > LongestLine then Some(number, start)
        elif finish = text.Length then None
        else from (number + 1) (Lines.after text finish)

    from 1 0

/// The mistake of being too long, if a source makes it.
let internal exceeded (source: Source) =
    if source.Text.Length > LongestScript then
        Some(tooLong source Span.nowhere.Start "this file is too long for a script" "at most 1 MiB")
    else
        longLine source.Text
        |> Option.map (fun (number, start) ->
            let place =
                { Offset = start + LongestLine
                  Line = number
                  Column = LongestLine + 1 }

            tooLong source place "this line is too long" "at most 10,000 characters in a line")

/// The same of what nodes read and a run's folder keeps of a script: imports and indents make it longer than what was written.
let internal exceededInCanonicalForm file (canonical: string) =
    let mistake what expected =
        tooLong { File = file; Text = canonical } Span.nowhere.Start what expected

    if canonical.Length > LongestScript then
        Some(mistake "this script is too long in its canonical form, with all that it imports" "at most 1 MiB")
    else
        longLine canonical
        |> Option.map (fun (_, start) ->
            let line = canonical.Substring(start, 60).Trim()

            mistake
                $"a line is too long in this script's canonical form: {line}…"
                "at most 10,000 characters in a line")
