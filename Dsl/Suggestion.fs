/// Finds the known word that a misspelt one was probably meant to be.
module CnnCluster.Dsl.Suggestion

open System

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other
/// (Damerau 1964, the restricted form in which no stretch is edited twice).
let distance (a: string) (b: string) =
    let cost =
        Array2D.init (a.Length + 1) (b.Length + 1) (fun i j ->
            if i = 0 then j
            elif j = 0 then i
            else 0)

    for i in 1 .. a.Length do
        for j in 1 .. b.Length do
            let replaced = cost[i - 1, j - 1] + (if a[i - 1] = b[j - 1] then 0 else 1)
            let best = min replaced (1 + min cost[i - 1, j] cost[i, j - 1])

            cost[i, j] <-
                if i > 1 && j > 1 && a[i - 1] = b[j - 2] && a[i - 2] = b[j - 1] then
                    min best (cost[i - 2, j - 2] + 1)
                else
                    best

    cost[a.Length, b.Length]

/// Longer words are nobody's misspelling, and would take long to compare.
let private longestWord = 64

/// How a word is compared: case, hyphens and underscores are what people get wrong without meaning another word.
let private normalised (word: string) =
    word.ToLowerInvariant().Replace("-", "").Replace("_", "")

let private translations =
    Synonyms.all
    |> List.groupBy (fst >> normalised)
    |> List.map (fun (foreign, pairs) -> foreign, List.map snd pairs)
    |> Map.ofList

/// Our words for one of another library's.
let private ours (word: string) =
    translations |> Map.tryFind (normalised word) |> Option.defaultValue []

/// Our word for one of another library's, whatever may stand where it was written.
let translated (word: string) =
    if word.Length > longestWord then
        None
    else
        ours word |> List.tryFind ((<>) word)

let private nearest (written: string) candidates =
    let near =
        [ for candidate: string in candidates do
              let other = normalised candidate
              let allowed = max 1 (min written.Length candidate.Length / 3)

              if abs (written.Length - other.Length) <= allowed then
                  match distance written other with
                  | d when d <= allowed -> candidate, d
                  | _ -> () ]

    match near with
    | [] -> None
    | _ -> Some(near |> List.minBy snd |> fst)

/// The closest candidate, if it is close enough to be what was meant, or says what the word says elsewhere.
let closest (word: string) (candidates: string seq) =
    if word.Length > longestWord then
        None
    else
        match ours word |> List.tryFind (fun our -> Seq.contains our candidates) with
        | Some our -> Some our
        | None -> nearest (normalised word) candidates

/// A word as it is quoted in a message: the beginning of a long one.
let shortened (word: string) =
    if word.Length > longestWord then word.Substring(0, longestWord) + "…" else word

/// A diagnostic with the word that was probably meant.
let among candidates (word: string) (diagnostic: Diagnostic) =
    { diagnostic with
        Suggestion = closest word candidates }

/// `a, b and c`
let joined (conjunction: string) (words: string seq) =
    match List.distinct (List.ofSeq words) with
    | [] -> "nothing"
    | [ one ] -> one
    | several ->
        let last = List.last several

        String.Join(", ", List.take (several.Length - 1) several)
        + $" {conjunction} {last}"

/// `a, b or c`
let listed words = joined "or" words

/// A diagnostic with the word that was probably meant, or else with all that could be.
let amongOrAll candidates word diagnostic =
    match among candidates word diagnostic with
    | { Suggestion = None } as without ->
        { without with
            Expected = Some(listed candidates) }
    | found -> found

/// A catalogue's sentence as a part of another: no capital, no full stop.
let phrase (sentence: string) =
    let text = sentence.TrimEnd '.'

    if text = "" then
        text
    else
        string (Char.ToLowerInvariant text[0]) + text.Substring 1

/// What a number may be, in words.
let range least greatest bounded =
    if bounded then
        $"a number from {least} to {greatest}"
    else
        $"a number of at least {least}"
