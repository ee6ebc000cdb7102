/// What those write who come from another language, and how it is written here.
module internal CnnCluster.Dsl.Parsing.Mistakes

open FParsec
open CnnCluster.Dsl
open CnnCluster.Dsl.Parsing.ParserState

/// Refuses what begins with one of these texts, in the words that go with it; reads nothing else.
let mistaken (table: (string * string) list) : Parser<'T> =
    fun stream ->
        match table |> List.tryFind (fun (text, _) -> stream.Match text) with
        | Some(_, message) -> Reply(FatalError, messageError message)
        | None -> Reply(FParsec.Primitives.Error, NoErrorMessages)

let private quotes = "words stand without quotes: pad=same"
let private minus = "the sign for minus is the hyphen: n-1"
let private times = "the sides of a size are joined by the letter x: 5x5"
let private comments = "a comment begins with #"

/// Where a value should stand.
let noValue =
    [ "'", quotes
      "`", quotes
      "‘", quotes
      "’", quotes
      "“", quotes
      "”", quotes
      "−", minus
      "–", minus
      "×", times
      "\u00A0", "this is a no-break space: write a plain blank"
      "!", "'!' means nothing here: write not (a == b), or a != b"
      "//", comments
      "/*", comments ]

/// Where a name should stand.
let noName = ("\"", "a name stands without quotes") :: noValue

/// Where a statement should end.
let noEnd = [ "−", minus; "–", minus; "^", "there is no power: write n*n" ]

/// Where an argument should stand, looked for before one is read.
let arrows =
    [ for arrow in [ "->"; "=>"; "|" ] do
          arrow, "layers stand one after the other, on lines of their own or with ';' between them" ]

/// Where an argument should stand.
let noArgument =
    [ ",", "blanks separate arguments, and the letter x the sides of a size: conv 6 5x5, input 28x28x1"
      ":", "no colon stands behind a name: an entry is written batch 32, a setting key=value"
      ")", "this ')' closes nothing"
      "]", "this ']' closes nothing"
      "..", "only 'repeat' counts: repeat i in 1..3 { … }" ]

/// Where a value in parentheses should end.
let noParenthesis =
    [ ",", "parentheses hold one value: a size is written 3x3, and arguments stand behind their word: conv 6 3x3"
      "=", "parentheses hold one value: a setting stands behind its word, as in conv 6 3x3 stride=2; == compares" ]

/// Where the numbers of an activation or an initialiser should end.
let noCallEnd =
    [ "=", "what stands in parentheses has no names: leakyrelu(0.1); settings need no parentheses: sgd lr=0.01" ]

/// Where a list's entry should stand.
let noEntry =
    [ ",", "blanks separate the entries of a list, and ';' its rows: [64 128 256]" ]

/// Where a body should begin, behind a name.
let noBody =
    [ ":", "a body stands in braces, { and }, and has no colon in front"
      "=", "a body has no '=' in front"
      "//", comments
      "/*", comments ]

/// Where a body should begin, behind an expression.
let noBodyHere =
    [ ":", "a body stands in braces, { and }, and has no colon in front"
      "=>", "'=>' does not compare: write >="
      "=<", "'=<' does not compare: write <="
      "=", "'=' does not compare: write =="
      "&", "'&' joins nothing: write and"
      "|", "'|' joins nothing: write or"
      "//", comments
      "/*", comments ]

/// An assignment: the statement's word is followed by `=`.
let assignment: Parser<unit> =
    followedBy (skipChar '=')
    >>. refuse "a number is named with let, as in let n = 5, and a layer's result with as: conv 6 5x5 as stem"

/// Refuses a bracket that is still open where a statement or the file ends: at the bracket, so that what follows is
/// read. `opening` is the stream's state there, with the line.
let unclosed (text: string) (opening: CharStreamState<State>) : Parser<'T> =
    fun stream ->
        if
            stream.Line > opening.Line
            && (isAnyOf "{}=" (stream.Peek()) || stream.IsEndOfStream)
        then
            let mutable back = opening
            stream.BacktrackTo(&back)
            refuse $"this '{text}' is never closed" stream
        else
            Reply(FParsec.Primitives.Error, NoErrorMessages)

/// `.5` and the like.
let bareFraction<'T> : Parser<'T> =
    followedBy (skipChar '.' >>. digit)
    >>. refuse "a number begins with a digit: 0.5"

let isForeignComment (stream: Stream) = stream.Match "//" || stream.Match "/*"

let private skipForeign (stream: Stream) =
    if stream.Match "//" then
        stream.SkipRestOfLine false
    else
        let mutable found = false

        stream.SkipCharsOrNewlinesUntilString("*/", System.Int32.MaxValue, &found)
        |> ignore

        if found then stream.Skip 2

/// Notes a comment of another language as a mistake, and goes past it.
let foreignComment (stream: Stream) =
    let start = place stream

    let where: Span =
        { File = stream.UserState.File
          Start = start
          End =
            { start with
                Offset = start.Offset + 2
                Column = start.Column + 2 } }

    stream.UserState.Note(Diagnostic.error where comments)
    skipForeign stream

/// What stands between statements.
let separators: Parser<unit> =
    fun stream ->
        let rec skip () =
            gap stream |> ignore

            if stream.Skip ';' then
                skip ()
            elif isForeignComment stream then
                foreignComment stream
                skip ()

        skip ()
        Reply(())
